//! The node's table of admitted flows, from outside.

use std::path::Path;

use aya::maps::{HashMap, Map, MapData};
use codegen_ebpf::datapath::records::{FLOW_KEY, FLOW_VALUE};

use crate::pins::PinsError;

type Flows = HashMap<MapData, [u8; FLOW_KEY.size as usize], [u8; FLOW_VALUE.size as usize]>;

/// How many flows a pinned table remembers; `None` when there is no such pin. Flows that come and go meanwhile may
/// be counted or not.
///
/// # Errors
/// When it is another map, or the kernel refuses to list it.
pub fn conntrack_entries(pin: &Path) -> Result<Option<usize>, PinsError> {
    if !pin.exists() {
        return Ok(None);
    }
    let map_error = |source| PinsError::Map {
        path: pin.to_owned(),
        source,
    };
    let map = MapData::from_pin(pin)
        .and_then(Map::from_map_data)
        .map_err(map_error)?;
    let flows = Flows::try_from(map).map_err(map_error)?;
    let mut entries = 0;
    for key in flows.keys() {
        key.map_err(map_error)?;
        entries += 1;
    }
    Ok(Some(entries))
}
