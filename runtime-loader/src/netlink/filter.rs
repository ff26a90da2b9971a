//! Traffic-control filters under a clsact qdisc: where programs sit on kernels without tcx (before 6.6).

use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{
    TcAttribute, TcBpfFlags, TcFilterBpf, TcFilterBpfOption, TcHandle, TcHeader, TcMessage, TcOption,
};

use super::{Netlink, NetlinkError};

/// `ETH_P_ALL` (include/uapi/linux/if_ether.h).
const ETH_P_ALL: u16 = 3;

/// A side of the clsact qdisc, as the device sees it: ingress is what the device receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClsactSide {
    /// What the device receives.
    Ingress,
    /// What the device sends.
    Egress,
}

impl ClsactSide {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Ingress, Self::Egress];

    /// `TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS / TC_H_MIN_EGRESS)` (include/uapi/linux/pkt_sched.h).
    fn parent(self) -> TcHandle {
        let minor = match self {
            Self::Ingress => 0xfff2,
            Self::Egress => 0xfff3,
        };
        TcHandle { major: 0xffff, minor }
    }
}

/// Where a filter sits on its side: lower priorities run first, the handle tells filters of one priority apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterPlace {
    /// The device's index.
    pub index: u32,
    /// The side.
    pub side: ClsactSide,
    /// From 1.
    pub priority: u16,
    /// Not 0.
    pub handle: u32,
}

/// A filter as the kernel shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Its priority.
    pub priority: u16,
    /// Its handle.
    pub handle: u32,
    /// The classifier: `bpf`, `flower`, `matchall`, …
    pub kind: String,
    /// The program's id, for a `bpf` filter.
    pub program: Option<u32>,
}

impl Netlink {
    /// Gives a device a clsact qdisc.
    ///
    /// # Errors
    /// `EEXIST` when it has one, or an `ingress` qdisc in its place; what else the kernel refused.
    pub fn add_clsact(&mut self, index: u32) -> Result<(), NetlinkError> {
        let message = RouteNetlinkMessage::NewQueueDiscipline(clsact(index));
        self.change(
            &|| format!("add a clsact qdisc to device {index}"),
            message,
            NLM_F_CREATE | NLM_F_EXCL,
        )
    }

    /// Takes a device's clsact qdisc away, with every filter under it.
    ///
    /// # Errors
    /// What the kernel refused; `ENOENT` or `EINVAL` when there is none.
    pub fn remove_clsact(&mut self, index: u32) -> Result<(), NetlinkError> {
        let message = RouteNetlinkMessage::DelQueueDiscipline(clsact(index));
        self.change(
            &|| format!("remove the clsact qdisc of device {index}"),
            message,
            0,
        )
    }

    /// The filters on one side of a device, in the kernel's order; none when it has no clsact qdisc.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn filters(&mut self, index: u32, side: ClsactSide) -> Result<Vec<Filter>, NetlinkError> {
        let mut message = TcMessage::default();
        message.header.index = index.cast_signed();
        message.header.parent = side.parent();
        let answers = self.dump(
            &|| format!("list the filters of device {index}"),
            &RouteNetlinkMessage::GetTrafficFilter(message),
        )?;
        Ok(answers
            .into_iter()
            .filter_map(|answer| match answer {
                RouteNetlinkMessage::NewTrafficFilter(message) => Filter::of(&message),
                _ => None,
            })
            .collect())
    }

    /// Puts a program at a place, in direct-action mode. A filter that is there already is replaced in one step
    /// (`cls_bpf_change` in net/sched/cls_bpf.c: `list_replace_rcu`), so that every packet meets one of the two.
    ///
    /// # Errors
    /// `EINVAL` without a clsact qdisc, or when the priority belongs to filters of another kind.
    pub fn set_bpf_filter(
        &mut self,
        place: &FilterPlace,
        name: &str,
        program: BorrowedFd<'_>,
    ) -> Result<(), NetlinkError> {
        let mut message = place.message();
        message
            .attributes
            .push(TcAttribute::Kind(TcFilterBpf::KIND.to_owned()));
        message.attributes.push(TcAttribute::Options(vec![
            TcOption::Bpf(TcFilterBpfOption::ProgFd(program.as_raw_fd().cast_unsigned())),
            TcOption::Bpf(TcFilterBpfOption::ProgName(name.to_owned())),
            TcOption::Bpf(TcFilterBpfOption::Flags(TcBpfFlags::DirectAction)),
        ]));
        self.change(
            &|| {
                format!(
                    "put the program `{name}` on {:?} of device {}",
                    place.side, place.index
                )
            },
            RouteNetlinkMessage::NewTrafficFilter(message),
            NLM_F_CREATE,
        )
    }

    /// Removes one filter.
    ///
    /// # Errors
    /// `ENOENT` when there is none; what else the kernel refused.
    pub fn remove_filter(&mut self, place: &FilterPlace) -> Result<(), NetlinkError> {
        let mut message = place.message();
        message
            .attributes
            .push(TcAttribute::Kind(TcFilterBpf::KIND.to_owned()));
        self.change(
            &|| format!("remove a filter from {:?} of device {}", place.side, place.index),
            RouteNetlinkMessage::DelTrafficFilter(message),
            0,
        )
    }
}

impl FilterPlace {
    fn message(&self) -> TcMessage {
        let mut message = TcMessage::default();
        message.header.index = self.index.cast_signed();
        message.header.parent = self.side.parent();
        message.header.handle = TcHandle::from(self.handle);
        // The protocol stands there in network byte order.
        message.header.info = u32::from(self.priority) << 16 | u32::from(ETH_P_ALL.to_be());
        message
    }
}

impl Filter {
    /// `None` for the head of a chain, which the kernel shows as a filter without a handle.
    fn of(message: &TcMessage) -> Option<Self> {
        let TcHeader { handle, info, .. } = message.header;
        let handle = u32::from(handle);
        if handle == 0 {
            return None;
        }
        let mut filter = Self {
            priority: (info >> 16) as u16,
            handle,
            kind: String::new(),
            program: None,
        };
        for attribute in &message.attributes {
            match attribute {
                TcAttribute::Kind(kind) => filter.kind.clone_from(kind),
                TcAttribute::Options(options) => {
                    filter.program = options.iter().find_map(|option| match option {
                        TcOption::Bpf(TcFilterBpfOption::ProgId(id)) => Some(*id),
                        _ => None,
                    });
                }
                _ => {}
            }
        }
        Some(filter)
    }
}

fn clsact(index: u32) -> TcMessage {
    let mut message = TcMessage::default();
    message.header.index = index.cast_signed();
    message.header.handle = TcHandle {
        major: 0xffff,
        minor: 0,
    };
    // `TC_H_CLSACT`, the same number as `TC_H_INGRESS`.
    message.header.parent = TcHandle {
        major: 0xffff,
        minor: 0xfff1,
    };
    message.attributes.push(TcAttribute::Kind("clsact".to_owned()));
    message
}
