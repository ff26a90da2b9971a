//! From parser events to documents, within limits.

use super::dialect;
use super::merge::Written;
use super::scalar::CoreTag;
use super::tabs::{Tabs, is_json};
use super::{
    Comment, Document, Entry, Mapping, Node, NodeId, Placement, Rare, Scalar, Stream, Style, Tag, Value,
};
use crate::limits::Limits;
use crate::source::{Source, Span};
use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, StrInput, StructureStyle, options};
use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What is wrong with a document, or with the stream around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamFault {
    /// Index of the document, from 0.
    pub document: u32,
    /// Where reading it stopped.
    pub span: Span,
    /// What happened.
    pub kind: StreamFaultKind,
}

/// What is wrong with a document. After `Syntax` and `Limit` it is missing from the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamFaultKind {
    /// It is not YAML, or not to Kubernetes' reader (see `tabs`); the reason.
    Syntax(String),
    /// It exceeds a bound of [`Limits`]: the bound's name and value.
    Limit(&'static str, u64),
    /// YAML starts a document here and `kubectl` does not: its reader splits the stream at lines that start with
    /// `---` before it parses anything ([apimachinery, `YAMLReader`]), drops what follows a `...` in silence, and
    /// refuses content behind a `---`. The document is in the stream.
    ///
    /// [apimachinery, `YAMLReader`]: https://github.com/kubernetes/apimachinery/blob/master/pkg/util/yaml/decoder.go
    Boundary,
    /// Readers of YAML differ on what the character means, for example whether it breaks the line: what is a comment
    /// here may be a policy there. The documents are in the stream as YAML 1.2 has them.
    AmbiguousCharacter(char),
}

/// Parses every document of `source`. A broken document does not hide those behind it.
#[must_use]
pub fn parse(source: &Source, limits: &Limits) -> Stream {
    let mut stream = parse_documents(source, limits);
    if let Some((span, found)) = dialect::ambiguous_character(source, &stream.documents) {
        stream
            .faults
            .push(fault(0, span, StreamFaultKind::AmbiguousCharacter(found)));
    }
    stream
}

fn parse_documents(source: &Source, limits: &Limits) -> Stream {
    let mut stream = Stream::default();
    let longest = limits.bytes.min(u64::from(u32::MAX));
    if source.text().len() as u64 > longest {
        stream.faults.push(StreamFault {
            document: 0,
            span: Span::default(),
            kind: StreamFaultKind::Limit("bytes in a file", longest),
        });
        return stream;
    }
    let options = options! {
        // As libyaml, and so go-yaml, reads it.
        block_scalar_eof_without_line_feed: true,
        // Licence headers are longer than the default; the file's size bounds the number already.
        max_buffered_comment_events: usize::MAX,
        emit_anchor_events: true,
        flow_nesting_limit: limits.depth.saturating_add(1),
        block_nesting_limit: limits.depth.saturating_add(1),
    };
    let mut parser = Parser::new_from_str_with_options(source.text(), options);
    let mut next_document = 0_u32;
    let mut comments = Vec::new();
    let mut room = Room {
        tabs: source.text().contains('\t').then(Tabs::default),
        ..Room::default()
    };
    loop {
        let index = next_document;
        // Where no document is left there may be comments, which are read below.
        if index as usize >= limits.documents && matches!(parser.proceed_next_document(), Ok(true)) {
            let limit = limits.documents as u64;
            let kind = StreamFaultKind::Limit("documents in a file", limit);
            stream.faults.push(fault(index, Span::default(), kind));
            break;
        }
        let mut builder = Builder::new(source, limits, index, std::mem::take(&mut comments), &mut room);
        match builder.read(&mut parser) {
            Ok(Some(document)) => {
                if let Some(span) = builder.boundary {
                    stream.faults.push(fault(index, span, StreamFaultKind::Boundary));
                }
                stream.documents.push(document);
            }
            Ok(None) => break,
            Err(stopped) => {
                stream.faults.push(fault(index, stopped.span, stopped.kind));
                if !matches!(parser.proceed_next_document(), Ok(true)) {
                    break;
                }
            }
        }
        next_document += 1;
    }
    if stream.faults.is_empty()
        && let Some(tabs) = room.tabs.take()
        && !room.is_json(source)
        && let Some((document, (span, reason))) = tabs.between(source)
    {
        let kind = StreamFaultKind::Syntax(reason.to_owned());
        stream.faults.push(fault(document, span, kind));
        stream.documents.retain(|other| other.index != document);
    }
    stream
}

fn fault(document: u32, span: Span, kind: StreamFaultKind) -> StreamFault {
    StreamFault { document, span, kind }
}

/// Why reading a document stopped.
struct Stopped {
    span: Span,
    kind: StreamFaultKind,
}

/// A collection whose end has not been read.
struct Open {
    id: NodeId,
    /// Where its children begin in [`Room::children`].
    first: usize,
    mapping: bool,
    /// Written in brackets.
    flow: bool,
}

/// What is needed while a document is read, and used again for the next one of the stream.
#[derive(Default)]
struct Room {
    nodes: Vec<Node>,
    rare: Rare,
    /// Of each node.
    extents: Vec<Extent>,
    /// The children of open collections, the outermost collection's first.
    children: Vec<NodeId>,
    /// Short texts of the stream. Keys and most values occur again and again, and share one.
    texts: HashSet<Arc<str>>,
    /// Where there are any in the stream.
    tabs: Option<Tabs>,
    /// Whether the stream is JSON, once somebody asked.
    is_json: OnceCell<bool>,
}

impl Room {
    /// Texts that are longer do not repeat.
    const SHORT: usize = 64;

    fn is_json(&self, source: &Source) -> bool {
        *self.is_json.get_or_init(|| is_json(source.text()))
    }

    fn text(&mut self, text: &str) -> Arc<str> {
        if text.len() > Self::SHORT {
            return text.into();
        }
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let text: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&text));
        text
    }
}

/// How large a node is.
#[derive(Clone, Copy)]
struct Extent {
    /// One, and the nodes below it, aliases expanded.
    size: u64,
    /// Levels below it.
    height: u32,
}

struct Builder<'s, 'r> {
    source: &'s Source,
    limits: &'s Limits,
    index: u32,
    room: &'r mut Room,
    open: Vec<Open>,
    root: Option<NodeId>,
    anchors: HashMap<usize, NodeId>,
    comments: Vec<Comment>,
    merge_budget: u64,
    /// End of the last value, alias or closing bracket: where a block collection that closes now ends.
    last_end: u32,
    /// Where the document starts, when `kubectl` does not start one there.
    boundary: Option<Span>,
}

impl<'s, 'r> Builder<'s, 'r> {
    fn new(
        source: &'s Source,
        limits: &'s Limits,
        index: u32,
        comments: Vec<Comment>,
        room: &'r mut Room,
    ) -> Self {
        // A document that was not read to its end may have left something.
        room.nodes.clear();
        room.rare = Rare::default();
        room.extents.clear();
        room.children.clear();
        Self {
            source,
            limits,
            index,
            room,
            open: Vec::new(),
            root: None,
            anchors: HashMap::new(),
            comments,
            merge_budget: limits.expanded_nodes,
            last_end: 0,
            boundary: None,
        }
    }

    /// Reads up to the end of one document; `None` at the end of the stream.
    fn read(&mut self, parser: &mut Parser<'s, StrInput<'s>>) -> Result<Option<Document>, Stopped> {
        while let Some(next) = parser.next_event() {
            let (event, span) = next.map_err(|error| self.stopped_by(&error))?;
            let tag_span = span.tag_span().as_ref().map(bytes);
            let span = bytes(&span);
            match event {
                Event::StreamStart => {}
                Event::Anchor(..) => self.check_anchor(span)?,
                Event::DocumentStart(explicit, _) => {
                    self.boundary = dialect::unread_boundary(self.source, self.index, explicit, span)
                }
                Event::StreamEnd => return Ok(None),
                Event::DocumentEnd => return self.finish(span).map(Some),
                Event::Comment(..) => {
                    self.comments.push(self.comment(span));
                    if let Some(tabs) = &mut self.room.tabs {
                        tabs.skip(span);
                    }
                }
                Event::Alias(anchor) => self.alias(anchor, span)?,
                Event::UnresolvedAlias(_) => {
                    return Err(syntax(span, "no anchor of this name stands before it"));
                }
                Event::Scalar(text, style, anchor, tag) => {
                    let span = self.without_line_breaks(span, style);
                    if style == ScalarStyle::Plain
                        && self.is_in_flow()
                        && dialect::is_ambiguous_in_flow(self.source, span, &text)
                    {
                        return Err(syntax(
                            span,
                            "readers of YAML differ on `?` and `:` in brackets; quote the text",
                        ));
                    }
                    let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                    if is_block && self.open.is_empty() && dialect::is_not_indented(self.source, span, &text)
                    {
                        return Err(syntax(span, "Kubernetes' reader wants this text indented"));
                    }
                    self.last_end = span.end;
                    self.check_tabs(span, style, &text)?;
                    let scalar = self.scalar(&text, style, tag.as_deref(), span);
                    let understood = scalar.is_some();
                    let scalar = scalar
                        .unwrap_or_else(|| Scalar::string(self.source.slice(span).into(), Style::Plain));
                    let id = self.push(span, Value::Scalar(scalar))?;
                    self.tag(id, tag_span, understood);
                    self.anchor(anchor, id);
                    self.add(id);
                }
                Event::SequenceStart(style, anchor, tag) => {
                    let span = if style == StructureStyle::Block {
                        self.with_first_dash(span)
                    } else {
                        span
                    };
                    let understood = tag
                        .as_deref()
                        .is_some_and(|tag| tag.is_yaml_core_schema_tag("seq"));
                    let id = self.push(span, Value::Sequence(Box::default()))?;
                    self.tag(id, tag_span, understood);
                    self.open(id, anchor, false, style)?;
                }
                Event::MappingStart(style, anchor, tag) => {
                    let understood = tag
                        .as_deref()
                        .is_some_and(|tag| tag.is_yaml_core_schema_tag("map"));
                    let id = self.push(span, Value::Mapping(Mapping::default()))?;
                    self.tag(id, tag_span, understood);
                    self.open(id, anchor, true, style)?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.close(span)?,
                // The parser's events may grow; what is not known here must not be lost in silence.
                _ => return Err(syntax(span, "a construct that is not supported")),
            }
        }
        Ok(None)
    }

    /// `None`: the tag is unknown, or the text is not of the tag's type.
    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&granit_parser::Tag>,
        span: Span,
    ) -> Option<Scalar> {
        // The parser writes a value that is left out as `~` with an empty span.
        let text = if span.start == span.end && style == ScalarStyle::Plain {
            ""
        } else {
            text
        };
        let style = written(style);
        let text = self.room.text(text);
        match tag {
            None if style == Style::Plain => Some(Scalar::plain(text)),
            None => Some(Scalar::string(text, style)),
            Some(tag) => Scalar::tagged(text, style, core_tag(tag)?),
        }
    }

    fn stopped_by(&self, error: &ScanError) -> Stopped {
        let length = self.source.text().len();
        let at = error.marker().byte_offset().unwrap_or(length).min(length);
        let (before, rest) = self.source.text().split_at_checked(at).unwrap_or_default();
        let first = rest.chars().next().filter(|c| !matches!(c, '\n' | '\r'));
        let here = Span::new(offset(at), offset(at + first.map_or(0, char::len_utf8)));
        let span = match error.kind() {
            // The parser stops behind the tabs; they are what is wrong.
            ErrorKind::TabInBlockIndentation | ErrorKind::TabInIndentation => {
                let line = before.rsplit(['\n', '\r']).next().unwrap_or_default();
                let blanks = line.len() - line.trim_end_matches([' ', '\t']).len();
                let indent = line.get(line.len() - blanks..).unwrap_or_default();
                match indent.find('\t') {
                    Some(tab) => Span::new(offset(at - blanks + tab), offset(at)),
                    None => here,
                }
            }
            // An alias is `*` and the name (YAML 1.2.2, 7.1).
            ErrorKind::UnknownAnchor if first == Some('*') => {
                let name = rest.find(|c: char| c.is_whitespace() || ",[]{}".contains(c));
                Span::new(offset(at), offset(at + name.unwrap_or(rest.len())))
            }
            _ => here,
        };
        let kind = match error.kind() {
            ErrorKind::RecursionLimitExceeded => {
                StreamFaultKind::Limit("levels of nesting", self.limits.depth as u64)
            }
            kind => StreamFaultKind::Syntax(reason(kind)),
        };
        Stopped { span, kind }
    }

    fn push(&mut self, span: Span, value: Value) -> Result<NodeId, Stopped> {
        if self.room.nodes.len() >= self.limits.nodes {
            return Err(limit(span, "nodes in a document", self.limits.nodes as u64));
        }
        let id = NodeId(u32::try_from(self.room.nodes.len()).unwrap_or(u32::MAX));
        self.room.nodes.push(Node { span, value });
        self.room.extents.push(Extent { size: 1, height: 0 });
        Ok(id)
    }

    fn tag(&mut self, id: NodeId, span: Option<Span>, understood: bool) {
        if let Some(span) = span {
            self.room.rare.tags.insert(id, Tag { span, understood });
        }
    }

    fn anchor(&mut self, anchor: usize, id: NodeId) {
        // The parser numbers anchors from 1; 0 is none.
        if anchor != 0 {
            self.anchors.insert(anchor, id);
        }
    }

    fn open(
        &mut self,
        id: NodeId,
        anchor: usize,
        mapping: bool,
        style: StructureStyle,
    ) -> Result<(), Stopped> {
        self.anchor(anchor, id);
        self.open.push(Open {
            id,
            first: self.room.children.len(),
            mapping,
            flow: style == StructureStyle::Flow,
        });
        if self.open.len() > self.limits.depth {
            let nodes = &self.room.nodes;
            let span = nodes.get(id.0 as usize).map(|node| node.span).unwrap_or_default();
            return Err(limit(span, "levels of nesting", self.limits.depth as u64));
        }
        Ok(())
    }

    fn is_in_flow(&self) -> bool {
        self.open.last().is_some_and(|open| open.flow)
    }

    fn check_anchor(&self, span: Span) -> Result<(), Stopped> {
        if dialect::is_anchor(self.source.slice(span)) {
            Ok(())
        } else {
            Err(syntax(span, "names of anchors are letters, digits, `-` and `_`"))
        }
    }

    /// Whether go-yaml takes the tabs of a scalar.
    fn check_tabs(&mut self, span: Span, style: ScalarStyle, text: &str) -> Result<(), Stopped> {
        let Some(tabs) = &mut self.room.tabs else {
            return Ok(());
        };
        let around = self.open.iter().rev().find(|open| !open.flow);
        let around = around.and_then(|open| self.room.nodes.get(open.id.0 as usize));
        match tabs.scalar(
            self.source,
            span,
            written(style),
            text,
            around.map(|node| node.span.start),
        ) {
            None => Ok(()),
            Some((tab, reason)) => Err(syntax(tab, reason)),
        }
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Stopped> {
        self.check_anchor(span)?;
        let Some(&target) = self.anchors.get(&anchor) else {
            return Err(syntax(span, "no anchor of this name stands before it"));
        };
        if self.open.iter().any(|open| open.id == target) {
            return Err(syntax(span, "the anchor contains this alias of itself"));
        }
        let extent = self.room.extents.get(target.0 as usize);
        let height = extent.map_or(0, |extent| extent.height);
        if self.open.len() + height as usize > self.limits.depth {
            return Err(limit(span, "levels of nesting", self.limits.depth as u64));
        }
        self.room.rare.shared.insert(target);
        self.last_end = span.end;
        self.add(target);
        Ok(())
    }

    /// Hangs a finished (or just opened) child into the innermost open collection.
    fn add(&mut self, id: NodeId) {
        if self.open.is_empty() {
            self.root = Some(id);
        } else {
            self.room.children.push(id);
        }
    }

    fn close(&mut self, end: Span) -> Result<(), Stopped> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let children = self.room.children.get(open.first..).unwrap_or_default();
        let value = if open.mapping {
            let (pairs, _) = children.as_chunks::<2>();
            let keys = pairs.iter().filter(|_| open.flow);
            let mut keys = keys.filter_map(|&[key, _]| self.room.nodes.get(key.0 as usize));
            if let Some(key) = keys.find(|key| dialect::is_split_key(self.source, key.span))
                && !self.room.is_json(self.source)
            {
                return Err(syntax(
                    key.span,
                    "Kubernetes' reader takes a key on one line only; quote it there",
                ));
            }
            let entries = pairs.iter().map(|&[key, value]| Entry { key, value });
            let written = Written {
                nodes: &self.room.nodes,
                rare: &self.room.rare,
                entries: entries.collect(),
            };
            let Some((mapping, faults)) = written.into_mapping(&mut self.merge_budget) else {
                return Err(limit(
                    end,
                    "nodes after expanding merge keys",
                    self.limits.expanded_nodes,
                ));
            };
            if !faults.is_empty() {
                self.room.rare.faults.insert(open.id, faults.into());
            }
            Value::Mapping(mapping)
        } else {
            Value::Sequence(children.into())
        };
        let (mut size, mut height) = (1_u64, 0_u32);
        let mut count = |id: NodeId| {
            if let Some(below) = self.room.extents.get(id.0 as usize) {
                size = size.saturating_add(below.size);
                height = height.max(below.height);
            }
        };
        match &value {
            Value::Mapping(mapping) => mapping.entries.iter().for_each(|entry| {
                count(entry.key);
                count(entry.value);
            }),
            _ => children.iter().for_each(|&child| count(child)),
        }
        self.room.children.truncate(open.first);
        if size > self.limits.expanded_nodes {
            return Err(limit(
                end,
                "nodes after expanding aliases",
                self.limits.expanded_nodes,
            ));
        }
        // A flow collection's end is its bracket. A block collection ends with its last value, while the event
        // stands behind the line breaks that follow it.
        if end.start < end.end {
            self.last_end = end.end;
        }
        if let Some(node) = self.room.nodes.get_mut(open.id.0 as usize) {
            node.span = Span::new(node.span.start, self.last_end.max(node.span.end));
            node.value = value;
            if let Some(tabs) = self.room.tabs.as_mut().filter(|_| open.flow) {
                tabs.skip(node.span);
            }
        }
        if let Some(extent) = self.room.extents.get_mut(open.id.0 as usize) {
            let height = height.saturating_add(1);
            *extent = Extent { size, height };
        }
        self.add(open.id);
        Ok(())
    }

    /// A block sequence that is not indented below its key is said to start behind its first `-`.
    fn with_first_dash(&self, span: Span) -> Span {
        let before = self
            .source
            .slice(Span::new(0, span.start))
            .trim_end_matches([' ', '\n', '\r']);
        let starts_at_dash = self.source.text().as_bytes().get(span.start as usize) == Some(&b'-');
        if before.ends_with('-') && !starts_at_dash {
            Span::new(offset(before.len() - 1), span.end)
        } else {
            span
        }
    }

    /// A block scalar's span runs to the start of the next line; what a person sees ends with its last character.
    fn without_line_breaks(&self, span: Span, style: ScalarStyle) -> Span {
        if !matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
            return span;
        }
        let seen = self
            .source
            .slice(span)
            .trim_end_matches(['\n', '\r', ' ', '\t'])
            .len();
        Span::new(span.start, span.start + offset(seen))
    }

    fn comment(&self, span: Span) -> Comment {
        let line = self.source.position(span.start).line;
        let own_line = self
            .source
            .line(line)
            .is_some_and(|(start, _)| self.source.slice(Span::new(start, span.start)).trim().is_empty());
        let placement = if own_line {
            Placement::OwnLine
        } else {
            Placement::Trailing
        };
        Comment { span, placement }
    }

    fn finish(&mut self, end: Span) -> Result<Document, Stopped> {
        if let Some(tabs) = &mut self.room.tabs {
            tabs.end(end.start);
        }
        let root = match self.root {
            Some(root) => root,
            None => self.push(
                Span::new(end.start, end.start),
                Value::Scalar(Scalar::plain("".into())),
            )?,
        };
        Ok(Document {
            index: self.index,
            // As many as there are, and no room for more.
            nodes: self.room.nodes.drain(..).collect(),
            rare: std::mem::take(&mut self.room.rare),
            root,
            comments: std::mem::take(&mut self.comments),
        })
    }
}

/// The parser's reason, in plainer words for the mistakes that people make.
fn reason(kind: &ErrorKind) -> String {
    let known = match kind {
        ErrorKind::ExpectedBlockMappingKey => {
            "a key is expected here: the line is not indented like its neighbours"
        }
        ErrorKind::ExpectedBlockSequenceEntry => {
            "a `- ` is expected here: the line is not indented like its neighbours"
        }
        ErrorKind::MappingValueNotAllowed => {
            "a `:` cannot stand here: check the indentation, or quote the text if the `:` belongs to it"
        }
        ErrorKind::SimpleKeyExpected => "this line is not `key: value`",
        ErrorKind::TabInBlockIndentation | ErrorKind::TabInIndentation => "a tab is used as indentation",
        ErrorKind::UnclosedQuotedScalar => "the quote that opens here is not closed",
        ErrorKind::UnknownAnchor => "no anchor of this name stands before it",
        _ => return kind.to_string(),
    };
    known.to_owned()
}

fn written(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted => Style::SingleQuoted,
        ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
        ScalarStyle::Literal => Style::Literal,
        ScalarStyle::Folded => Style::Folded,
    }
}

fn core_tag(tag: &granit_parser::Tag) -> Option<CoreTag> {
    match tag.core_suffix()? {
        "str" => Some(CoreTag::Str),
        "int" => Some(CoreTag::Int),
        "float" => Some(CoreTag::Float),
        "bool" => Some(CoreTag::Bool),
        "null" => Some(CoreTag::Null),
        _ => None,
    }
}

fn bytes(span: &granit_parser::Span) -> Span {
    let range = span.byte_range().unwrap_or_default();
    Span::new(offset(range.start), offset(range.end))
}

/// Texts longer than `u32::MAX` bytes are refused before parsing.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn syntax(span: Span, reason: &str) -> Stopped {
    Stopped {
        span,
        kind: StreamFaultKind::Syntax(reason.to_owned()),
    }
}

fn limit(span: Span, what: &'static str, bound: u64) -> Stopped {
    Stopped {
        span,
        kind: StreamFaultKind::Limit(what, bound),
    }
}
