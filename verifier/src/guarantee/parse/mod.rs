//! From text to [`Statement`]s.
//!
//! A line that starts in the first column begins a guarantee, an indented one goes on with it: one mistake costs one
//! guarantee, and all mistakes of a file are found at once. Comments are blanked out first, so that every parser sees
//! places of the text as it was written.

mod head;
mod ports;

use std::net::IpAddr;
use std::ops::Range;

use ipnet::IpNet;
use ir::peer::{CidrBlock, CidrScope, Entity, PeerMatch};
use ir::selector::{Attribute, Operator, Requirement, Selector};
use ir::text::mismatch::{self, expect, finished};
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while1};
use nom::combinator::{cut, eof, opt, verify};
use nom::multi::many0;
use nom::sequence::{delimited, preceded, terminated};
use nom::{Err, IResult, Parser};

use super::Problem;
use super::syntax::{End, Ends, Exception, Form, Spanned, Statement};
use head::{named, severity};
use ports::ports;

/// Reads a file of guarantees: all that could be read, and all that is wrong.
#[must_use]
pub fn parse(text: &str) -> (Vec<Statement>, Vec<Problem>) {
    let plain = without_comments(text);
    let mut statements = vec![];
    let mut problems = vec![];
    for range in sentences(&plain) {
        let Some(sentence) = plain.get(range.clone()) else {
            continue;
        };
        match statement(sentence, range.start) {
            Ok(statement) => statements.push(statement),
            Err(problem) => problems.push(problem),
        }
    }
    problems.extend(repeated_names(&statements));
    problems.sort_by_key(|problem| problem.span.start);
    (statements, problems)
}

/// The bytes of each comment of a file of guarantees, from `#` to the end of its line.
pub fn comments(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    text.split_inclusive('\n').filter_map(move |line| {
        let start = at;
        at += line.len();
        let end = start + line.trim_end_matches(['\n', '\r']).len();
        line.find('#').map(|comment| start + comment..end)
    })
}

/// The text with every comment replaced by as many blanks as it has bytes.
fn without_comments(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut read = 0;
    for comment in comments(text) {
        plain.push_str(text.get(read..comment.start).unwrap_or_default());
        plain.extend(std::iter::repeat_n(' ', comment.len()));
        read = comment.end;
    }
    plain.push_str(text.get(read..).unwrap_or_default());
    plain
}

/// The bytes of each guarantee, without blanks around it.
fn sentences(plain: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = vec![];
    let mut at = 0;
    for line in plain.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let content = line.trim();
        if content.is_empty() {
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        let end = start + line.trim_end().len();
        match found.last_mut() {
            Some(open) if indent > 0 => open.end = end,
            _ => found.push(start + indent..end),
        }
    }
    found
}

fn repeated_names(statements: &[Statement]) -> Vec<Problem> {
    let mut seen = std::collections::BTreeSet::new();
    let names = statements.iter().filter_map(|statement| statement.name.as_ref());
    names
        .filter(|name| !seen.insert(name.value.as_str()))
        .map(|name| Problem {
            span: name.span.clone(),
            message: format!("there is a guarantee `{}` already", name.value),
            help: Some("give each guarantee a name of its own".to_owned()),
        })
        .collect()
}

/// A mismatch; what is wrong: how many bytes of its rest, what, and the way out.
type Mismatch<'a> = mismatch::Mismatch<'a, (usize, String, Option<String>)>;

type Parsed<'a, T> = IResult<&'a str, T, Mismatch<'a>>;

/// A failure that no alternative can mend, about what was read between two rests.
fn wrong<'a, T>(from: &'a str, to: &str, message: String, help: Option<&str>) -> Parsed<'a, T> {
    let length = from.len() - to.len();
    let length = from.get(..length).map_or(length, |read| read.trim_end().len());
    let wrong = (length, message, help.map(str::to_owned));
    Err(Err::Failure(Mismatch::wrong(from, wrong)))
}

fn blanks(text: &str) -> Parsed<'_, &str> {
    take_while(char::is_whitespace).parse(text)
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

/// A keyword: these letters, and no more of a word behind them.
fn keyword<'a>(word: &'static str) -> impl Parser<&'a str, Output = (), Error = Mismatch<'a>> {
    let name = format!("`{word}`");
    move |text: &'a str| {
        let whole = verify(take_while1(is_word), |found: &str| found == word);
        let mut parser = expect(&name, terminated(whole, blanks).map(|_| ()));
        parser.parse(text)
    }
}

fn sign<'a>(sign: &'static str) -> impl Parser<&'a str, Output = (), Error = Mismatch<'a>> {
    let name = format!("`{sign}`");
    move |text: &'a str| {
        let mut parser = expect(&name, terminated(tag(sign), blanks).map(|_| ()));
        parser.parse(text)
    }
}

/// `item { "," item }`
fn list<'a, T>(
    mut item: impl Parser<&'a str, Output = T, Error = Mismatch<'a>>,
) -> impl Parser<&'a str, Output = Vec<T>, Error = Mismatch<'a>> {
    move |text: &'a str| {
        let (mut rest, first) = item.parse(text)?;
        let mut items = vec![first];
        while let (after, Some(())) = opt(sign(",")).parse(rest)? {
            let (after, next) = cut(|text| item.parse(text)).parse(after)?;
            items.push(next);
            rest = after;
        }
        Ok((rest, items))
    }
}

fn statement(sentence: &str, start: usize) -> Result<Statement, Problem> {
    let offset = |rest: &str| start + (sentence.len() - rest.len());
    let whole = |text| -> Parsed<'_, Statement> {
        let (rest, severity) = opt(severity).parse(text)?;
        let (rest, name) = opt(named(start, sentence)).parse(rest)?;
        let begins = offset(rest);
        let (rest, form) = form(sentence, start).parse(rest)?;
        let (rest, ports) = opt(ports).parse(rest)?;
        let (rest, exceptions) = many0(exception(sentence, start)).parse(rest)?;
        let (rest, existing) = opt(preceded(keyword("for"), cut(keyword("existing")))).parse(rest)?;
        let mut end = "the end of the guarantee".to_owned();
        if existing.is_none() {
            let clauses = if ports.is_none() && exceptions.is_empty() {
                "`,`, `port`, `except`, `for existing`"
            } else {
                "`except`, `for existing`"
            };
            end = format!("{clauses} or {end}");
        }
        let (rest, _) = expect(&end, eof).parse(rest)?;
        let statement = Statement {
            severity: severity.unwrap_or_default(),
            name,
            span: begins..start + sentence.len(),
            form,
            ports,
            exceptions,
            existing: existing.is_some(),
        };
        Ok((rest, statement))
    };
    let mismatch = match finished(whole(sentence)) {
        Ok(statement) => return Ok(statement),
        Err(mismatch) => mismatch,
    };
    let at = offset(mismatch.rest);
    if let Some((length, message, help)) = mismatch.wrong {
        return Err(Problem {
            span: at..at + length,
            message,
            help,
        });
    }
    let found: &str = mismatch
        .rest
        .split(char::is_whitespace)
        .next()
        .unwrap_or_default();
    let mut expected = mismatch.expected;
    expected.dedup();
    let last = expected.pop().unwrap_or_else(|| "something else".to_owned());
    let expected = match expected.is_empty() {
        true => last,
        false => format!("{} or {last}", expected.join(", ")),
    };
    let message = match found {
        "" => format!("expected {expected}, and the guarantee ends here"),
        _ => format!("expected {expected}, found `{}`", shortened(found)),
    };
    Err(Problem {
        span: at..at + found.len(),
        message,
        help: None,
    })
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(40) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

fn form<'a>(sentence: &'a str, start: usize) -> impl Parser<&'a str, Output = Form, Error = Mismatch<'a>> {
    let two = move || (ends(sentence, start), preceded(sign("->"), ends(sentence, start)));
    alt((
        preceded(keyword("never"), cut(two())).map(|(from, to)| Form::Never(from, to)),
        preceded(keyword("always"), cut(two())).map(|(from, to)| Form::Always(from, to)),
        preceded(keyword("only"), cut(two())).map(|(from, to)| Form::Only(from, to)),
        preceded(keyword("isolated"), cut(ends(sentence, start))).map(Form::Isolated),
    ))
}

fn exception<'a>(
    sentence: &'a str,
    start: usize,
) -> impl Parser<&'a str, Output = Exception, Error = Mismatch<'a>> {
    let clauses = move |text: &'a str| {
        let (rest, from) = opt(preceded(keyword("from"), cut(ends(sentence, start)))).parse(text)?;
        let (rest, to) = opt(preceded(keyword("to"), cut(ends(sentence, start)))).parse(rest)?;
        let (rest, ports) = opt(ports).parse(rest)?;
        if from.is_none() && to.is_none() && ports.is_none() {
            let nothing = nom::combinator::fail();
            return expect("`from`, `to` or `port`", nothing).parse(text);
        }
        Ok((rest, Exception { from, to, ports }))
    };
    preceded(keyword("except"), cut(clauses))
}

fn ends<'a>(sentence: &'a str, start: usize) -> impl Parser<&'a str, Output = Ends, Error = Mismatch<'a>> {
    list(move |text: &'a str| {
        let (rest, value) = end(text)?;
        let read = sentence.len() - rest.len();
        let at = sentence.len() - text.len();
        let written = sentence.get(at..read).unwrap_or_default().trim_end();
        let span = start + at..start + at + written.len();
        Ok((rest, Spanned { value, span }))
    })
}

fn end(text: &str) -> Parsed<'_, End> {
    let pods =
        |requirements: Vec<Requirement>| End::Matching(PeerMatch::Endpoints(Selector::new(requirements)));
    expect(
        "who (`ns:…`, `pod:…`, `account:…`, `pods`, `nodes`, an address block, or an entity such as `world`)",
        alt((
            preceded(tag("ns:"), cut(namespace)).map(pods),
            preceded(tag("pod:"), cut(pod)),
            preceded(tag("account:"), cut(account)).map(pods),
            preceded(keyword("pods"), labels).map(pods),
            preceded(keyword("nodes"), labels)
                .map(|asked| End::Matching(PeerMatch::Nodes(Selector::new(asked)))),
            address.map(|block| End::Matching(PeerMatch::Cidr(block))),
            entity.map(|entity| End::Matching(PeerMatch::Entity(entity))),
        )),
    )
    .parse(text)
}

/// A name that Kubernetes takes: RFC 1123 labels, with dots between them.
fn name<'a>(what: &str) -> impl Parser<&'a str, Output = &'a str, Error = Mismatch<'a>> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    expect(
        what,
        verify(take_while1(plain), move |found: &str| {
            found.starts_with(edge) && found.ends_with(edge)
        }),
    )
}

/// What follows `ns:`: a name, `*`, or namespaces by their labels; then labels of the pods.
fn namespace(text: &str) -> Parsed<'_, Vec<Requirement>> {
    let by_labels = selector("{", "}", Attribute::NamespaceLabel);
    let by_name =
        name("a namespace's name").map(|name| vec![Requirement::equals(Attribute::Namespace, name)]);
    let every = tag("*").map(|_| vec![]);
    let (rest, mut asked) = alt((by_labels, every, by_name)).parse(text)?;
    // `ns:shop/*` reads better beside `pod:shop/web` and means the same as `ns:shop`.
    let (rest, _) = opt(tag("/*")).parse(rest)?;
    if rest.starts_with('/') {
        return wrong(
            rest,
            rest.trim_start_matches(|c| c == '/' || is_word(c)),
            "`ns:` stands for all pods of namespaces".to_owned(),
            Some("write `pod:NAMESPACE/NAME` for one workload or pod"),
        );
    }
    let (rest, _) = blanks(rest)?;
    let (rest, more) = opt(selector("{", "}", Attribute::NamespaceLabel)).parse(rest)?;
    let (rest, labels) = labels(rest)?;
    asked.extend(more.into_iter().flatten());
    asked.extend(labels);
    Ok((rest, asked))
}

fn pod(text: &str) -> Parsed<'_, End> {
    let (rest, namespace) = name("a namespace's name").parse(text)?;
    let (rest, _) = expect("`/`", tag("/")).parse(rest)?;
    let (rest, name) = name("the name of a workload or pod").parse(rest)?;
    let (rest, _) = blanks(rest)?;
    let pod = End::Pod {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    };
    Ok((rest, pod))
}

fn account(text: &str) -> Parsed<'_, Vec<Requirement>> {
    let (rest, namespace) = name("a namespace's name").parse(text)?;
    let (rest, _) = expect("`/`", tag("/")).parse(rest)?;
    let (rest, name) = name("a service account's name").parse(rest)?;
    let (rest, _) = blanks(rest)?;
    let (rest, labels) = labels(rest)?;
    let asked = [
        Requirement::equals(Attribute::Namespace, namespace),
        Requirement::equals(Attribute::ServiceAccount, name),
    ];
    Ok((rest, asked.into_iter().chain(labels).collect()))
}

/// Addresses outside the cluster.
fn address(text: &str) -> Parsed<'_, CidrBlock> {
    let looks_like_one = |c: char| is_word(c) || matches!(c, ':' | '/');
    let (rest, found) = verify(take_while1(looks_like_one), |found: &str| {
        found.contains(':') || (found.contains('.') && found.starts_with(|c: char| c.is_ascii_digit()))
    })
    .parse(text)?;
    let block = match (found.parse::<IpNet>(), found.parse::<IpAddr>()) {
        (Ok(block), _) if block == block.trunc() => block,
        (Ok(block), _) => {
            let message = format!("`{block}` has host bits: the block is `{}`", block.trunc());
            return wrong(text, rest, message, None);
        }
        (Err(_), Ok(address)) => address.into(),
        (Err(_), Err(_)) => {
            let help = "addresses are written like `203.0.113.7`, blocks like `203.0.113.0/24`";
            return wrong(
                text,
                rest,
                format!("`{}` is no address block", shortened(found)),
                Some(help),
            );
        }
    };
    let (rest, _) = blanks(rest)?;
    let block = CidrBlock {
        cidr: block,
        except: vec![],
        scope: CidrScope::OutsideCluster,
    };
    Ok((rest, block))
}

/// The classes that something can belong to.
const ENTITIES: [Entity; 8] = [
    Entity::All,
    Entity::World,
    Entity::WorldIpv4,
    Entity::WorldIpv6,
    Entity::Cluster,
    Entity::Host,
    Entity::RemoteNode,
    Entity::KubeApiServer,
];

fn entity(text: &str) -> Parsed<'_, Entity> {
    let (rest, found) = take_while1(is_word).parse(text)?;
    let Some(entity) = ENTITIES.into_iter().find(|entity| entity.name() == found) else {
        let known: Vec<_> = ENTITIES
            .iter()
            .map(|entity| format!("`{}`", entity.name()))
            .collect();
        let message = match Entity::named(found) {
            Some(_) => format!("no pod, node or address of the input is ever `{found}`"),
            None => format!("there is nobody called `{}`", shortened(found)),
        };
        let help = format!(
            "write `ns:NAMESPACE`, `pod:NAMESPACE/NAME`, `account:NAMESPACE/NAME`, `pods`, `nodes`, an address block, or one of {}",
            known.join(", ")
        );
        return wrong(text, rest, message, Some(&help));
    };
    let (rest, _) = blanks(rest)?;
    Ok((rest, entity))
}

/// `[…]` with labels, if there is one.
fn labels(text: &str) -> Parsed<'_, Vec<Requirement>> {
    opt(selector("[", "]", Attribute::Label))
        .map(Option::unwrap_or_default)
        .parse(text)
}

fn selector<'a>(
    open: &'static str,
    close: &'static str,
    attribute: impl Fn(String) -> Attribute + Copy,
) -> impl Parser<&'a str, Output = Vec<Requirement>, Error = Mismatch<'a>> {
    delimited(sign(open), cut(list(requirement(attribute))), cut(sign(close)))
}

fn requirement<'a>(
    attribute: impl Fn(String) -> Attribute + Copy,
) -> impl Parser<&'a str, Output = Requirement, Error = Mismatch<'a>> {
    move |text: &'a str| {
        let (rest, absent) = opt(sign("!")).parse(text)?;
        let (rest, key) = expect("a label's key", take_while1(|c| is_word(c) || c == '/')).parse(rest)?;
        let attribute = attribute(key.to_owned());
        let (rest, _) = blanks(rest)?;
        if absent.is_some() {
            let operator = Operator::DoesNotExist;
            return Ok((rest, Requirement { attribute, operator }));
        }
        let one = || value.map(|value| [value].into_iter().collect());
        let many = || delimited(sign("("), list(value), sign(")")).map(|values| values.into_iter().collect());
        let (rest, operator) = opt(alt((
            preceded(sign("!="), cut(one())).map(Operator::NotIn),
            preceded(alt((sign("=="), sign("="))), cut(one())).map(Operator::In),
            preceded(keyword("in"), cut(many())).map(Operator::In),
            preceded(keyword("notin"), cut(many())).map(Operator::NotIn),
        )))
        .parse(rest)?;
        let operator = operator.unwrap_or(Operator::Exists);
        Ok((rest, Requirement { attribute, operator }))
    }
}

/// A label's value; it may be empty.
fn value(text: &str) -> Parsed<'_, String> {
    terminated(take_while(is_word), blanks)
        .map(str::to_owned)
        .parse(text)
}
