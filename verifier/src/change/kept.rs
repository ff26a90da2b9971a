//! What is kept of a change between runs: the words of its areas, and the values of their witnesses. The witnesses are
//! made and confirmed anew.

use std::str::Lines;

use super::Area;
use super::widened::{Found, Replay};
use crate::encode::kept::Words;

/// Both kinds of areas as lines; `None` where something is not known, or would not fit on a line.
pub(super) fn write(sides: &[Found; 2], replay: &Replay<'_>) -> Option<String> {
    let words = words(replay);
    let mut lines = vec![];
    for side in sides {
        if side.unknown.is_some() {
            return None;
        }
        lines.push(format!("{} {}", side.areas.len(), u8::from(side.complete)));
        for (values, area) in &side.areas {
            lines.push(words.write_whole(values));
            lines.extend([area.from.clone(), area.to.clone(), area.ports.clone()]);
            lines.push(area.besides.len().to_string());
            lines.extend(area.besides.iter().cloned());
        }
    }
    let fits = lines.iter().all(|line| !line.contains(['\n', '\r']));
    fits.then(|| lines.join("\n"))
}

/// The same, read and confirmed; `None` where anything is amiss.
pub(super) fn read(text: &str, replay: &Replay<'_>) -> Option<[Found; 2]> {
    let mut lines = text.lines();
    let opened = read_side(&mut lines, replay, true)?;
    let closed = read_side(&mut lines, replay, false)?;
    lines.next().is_none().then_some([opened, closed])
}

fn read_side(lines: &mut Lines<'_>, replay: &Replay<'_>, opened: bool) -> Option<Found> {
    let (count, complete) = lines.next()?.split_once(' ')?;
    let mut side = Found {
        complete: match complete {
            "0" => false,
            "1" => true,
            _ => return None,
        },
        ..Found::default()
    };
    for _ in 0..count.parse::<usize>().ok()? {
        let values = words(replay).read_whole(lines.next()?)?;
        let (witness, [before, after]) = replay.confirmed(&values, opened).ok()?;
        let mut line = || lines.next().map(str::to_owned);
        let (from, to, ports) = (line()?, line()?, line()?);
        let besides = (0..line()?.parse::<usize>().ok()?).map(|_| line());
        let area = Area {
            from,
            to,
            ports,
            besides: besides.collect::<Option<_>>()?,
            other_end: None,
            except: vec![],
            witness,
            before,
            after,
        };
        side.areas.push((values, area));
    }
    Some(side)
}

fn words<'a>(replay: &'a Replay<'_>) -> Words<'a> {
    Words {
        model: &replay.both.model,
        vocabulary: replay.vocabulary,
    }
}
