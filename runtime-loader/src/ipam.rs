//! Pod addresses out of a node's slices (`spec.podCIDRs`).
//!
//! What of a slice pods can have is [`ir::slice`]'s.
//!
//! The next address is searched behind the last one given out, so that a released address rests until the slice
//! has gone round once: a late packet or a stale cache entry for its former owner finds nobody.
//!
//! Invariant: a lease is in the store before its address is handed out, and the address is free again only
//! after the lease is out of the store. Killed in between, a durable store knows one lease too many, never one
//! too few.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

pub use ir::slice::{Reservation, Slice};

/// Why no address was given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IpamError {
    /// A node has no slice to give from.
    #[error("the node has no pod CIDR")]
    NoSlice,
    /// Kubernetes allows one pod CIDR of each family (`NodeSpec.podCIDRs`).
    #[error("the node has two pod CIDRs of one family, {0} and {1}")]
    TwoSlices(IpNet, IpNet),
    /// All addresses of a slice are given out.
    #[error("no address is left in {slice}: all {capacity} are in use")]
    Exhausted {
        /// The slice.
        slice: IpNet,
        /// How many pods it holds.
        capacity: u128,
    },
    /// A requested address is not in any slice of this node.
    #[error("{0} is not in a pod CIDR of this node")]
    Outside(IpAddr),
    /// A requested address is never given to a pod.
    #[error("{0} is kept back in its pod CIDR for {1}")]
    Reserved(IpAddr, Reservation),
    /// A requested address has an owner.
    #[error("{address} belongs to `{owner}`")]
    Taken {
        /// The address.
        address: IpAddr,
        /// Whose it is.
        owner: String,
    },
    /// An owner asks twice.
    #[error("`{0}` has addresses already")]
    OwnerHasAddresses(String),
    /// The store failed; the lease does not exist.
    #[error("the lease store failed: {0}")]
    Store(String),
}

/// An address and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lease {
    /// The address.
    pub address: IpAddr,
    /// Who holds it: `namespace/name` of a pod, or a container and interface.
    pub owner: String,
}

/// Where leases are kept. Each call is one transaction: done, or as if never begun.
pub trait LeaseStore {
    /// Every lease.
    ///
    /// # Errors
    /// A sentence about what failed.
    fn leases(&self) -> Result<Vec<Lease>, String>;
    /// Keeps leases, all or none.
    ///
    /// # Errors
    /// A sentence about what failed.
    fn keep(&mut self, leases: &[Lease]) -> Result<(), String>;
    /// Forgets every lease of an owner.
    ///
    /// # Errors
    /// A sentence about what failed.
    fn forget(&mut self, owner: &str) -> Result<(), String>;
}

/// Leases that end with the process.
#[derive(Clone, Debug, Default)]
pub struct InMemory {
    leases: Vec<Lease>,
}

impl LeaseStore for InMemory {
    fn leases(&self) -> Result<Vec<Lease>, String> {
        Ok(self.leases.clone())
    }

    fn keep(&mut self, leases: &[Lease]) -> Result<(), String> {
        self.leases.extend_from_slice(leases);
        Ok(())
    }

    fn forget(&mut self, owner: &str) -> Result<(), String> {
        self.leases.retain(|lease| lease.owner != owner);
        Ok(())
    }
}

/// The addresses of one node's pods.
#[derive(Clone, Debug)]
pub struct Ipam<S = InMemory> {
    pools: Vec<Pool>,
    store: S,
}

/// A slice and what of it is taken.
#[derive(Clone, Debug)]
struct Pool {
    slice: Slice,
    taken: BTreeMap<IpAddr, String>,
    /// Where the search for the next free address begins, as an offset in the slice.
    cursor: u128,
}

impl Ipam<InMemory> {
    /// An allocator over a node's pod CIDRs, nothing given out yet.
    ///
    /// # Errors
    /// No slice, or two of one family.
    pub fn in_memory(pod_cidrs: &[IpNet]) -> Result<Self, IpamError> {
        Self::new(pod_cidrs, InMemory::default())
    }
}

impl<S: LeaseStore> Ipam<S> {
    /// An allocator over a node's pod CIDRs that continues with the store's leases. Leases outside the slices
    /// (the node's CIDRs were changed) stay in the store until released and block nothing.
    ///
    /// # Errors
    /// No slice, two of one family, or the store cannot be read.
    pub fn new(pod_cidrs: &[IpNet], store: S) -> Result<Self, IpamError> {
        let mut pools: Vec<Pool> = Vec::new();
        for net in pod_cidrs {
            let slice = Slice::new(*net);
            let same = |pool: &&Pool| pool.slice.net().addr().is_ipv4() == net.addr().is_ipv4();
            if let Some(pool) = pools.iter().find(same) {
                return Err(IpamError::TwoSlices(pool.slice.net(), slice.net()));
            }
            pools.push(Pool {
                slice,
                taken: BTreeMap::new(),
                cursor: slice.first_pod(),
            });
        }
        if pools.is_empty() {
            return Err(IpamError::NoSlice);
        }
        for lease in store.leases().map_err(IpamError::Store)? {
            for pool in &mut pools {
                if pool.slice.net().contains(&lease.address) {
                    pool.taken.insert(lease.address, lease.owner.clone());
                }
            }
        }
        Ok(Self { pools, store })
    }

    /// The node's slices, in the order they were given.
    pub fn slices(&self) -> impl Iterator<Item = Slice> {
        self.pools.iter().map(|pool| pool.slice)
    }

    /// The slice's gateway for an address of this node.
    #[must_use]
    pub fn gateway_for(&self, address: IpAddr) -> Option<IpAddr> {
        self.slices()
            .find(|slice| slice.net().contains(&address))
            .map(Slice::gateway)
    }

    /// Gives an owner the next free address of every slice, all or none.
    ///
    /// # Errors
    /// A slice is exhausted, the owner has addresses already, or the store fails.
    pub fn allocate(&mut self, owner: &str) -> Result<Vec<IpAddr>, IpamError> {
        self.check_new(owner)?;
        let mut found = Vec::with_capacity(self.pools.len());
        for pool in &self.pools {
            found.push(pool.next_free().ok_or_else(|| IpamError::Exhausted {
                slice: pool.slice.net(),
                capacity: pool.slice.capacity(),
            })?);
        }
        self.take(owner, &found)?;
        Ok(found)
    }

    /// Gives an owner exactly these addresses, all or none.
    ///
    /// # Errors
    /// An address is outside, kept back or taken; the owner has addresses already; or the store fails.
    pub fn allocate_requested(&mut self, owner: &str, addresses: &[IpAddr]) -> Result<(), IpamError> {
        self.check_new(owner)?;
        for &address in addresses {
            let pool = self.pools.iter().find(|pool| pool.slice.net().contains(&address));
            let pool = pool.ok_or(IpamError::Outside(address))?;
            if let Some(reservation) = pool.slice.reservation(address) {
                return Err(IpamError::Reserved(address, reservation));
            }
            if let Some(owner) = pool.taken.get(&address) {
                return Err(IpamError::Taken {
                    address,
                    owner: owner.clone(),
                });
            }
        }
        self.take(owner, addresses)
    }

    /// Takes an owner's addresses back and says which they were. An owner without any is no error: releasing
    /// twice is what a CNI DEL does.
    ///
    /// # Errors
    /// When the store fails; the addresses then stay taken.
    pub fn release(&mut self, owner: &str) -> Result<Vec<IpAddr>, IpamError> {
        self.store.forget(owner).map_err(IpamError::Store)?;
        let mut released = Vec::new();
        for pool in &mut self.pools {
            pool.taken.retain(|address, holder| {
                let goes = holder == owner;
                if goes {
                    released.push(*address);
                }
                !goes
            });
        }
        Ok(released)
    }

    fn check_new(&self, owner: &str) -> Result<(), IpamError> {
        if self
            .pools
            .iter()
            .any(|pool| pool.taken.values().any(|holder| holder == owner))
        {
            return Err(IpamError::OwnerHasAddresses(owner.to_owned()));
        }
        Ok(())
    }

    fn take(&mut self, owner: &str, addresses: &[IpAddr]) -> Result<(), IpamError> {
        let leases: Vec<Lease> = addresses
            .iter()
            .map(|&address| Lease {
                address,
                owner: owner.to_owned(),
            })
            .collect();
        self.store.keep(&leases).map_err(IpamError::Store)?;
        for pool in &mut self.pools {
            for &address in addresses {
                if let Some(offset) = pool.slice.offset(address) {
                    pool.taken.insert(address, owner.to_owned());
                    pool.cursor = offset.saturating_add(1);
                }
            }
        }
        Ok(())
    }
}

impl Pool {
    /// The first free address at or behind the cursor, then from the bottom. Ends: it visits each taken address
    /// at most once, and none when the count says that nothing is free.
    fn next_free(&self) -> Option<IpAddr> {
        let (first, last) = (self.slice.first_pod(), self.slice.last_pod()?);
        if self.taken.len() as u128 >= self.slice.capacity() {
            return None;
        }
        let free = |offset: &u128| !self.taken.contains_key(&self.slice.address(*offset));
        let from = self.cursor.clamp(first, last);
        let start = if self.cursor > last { first } else { from };
        (start..=last)
            .find(free)
            .or_else(|| (first..start).find(free))
            .map(|offset| self.slice.address(offset))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    fn slice(text: &str) -> Slice {
        Slice::new(text.parse().unwrap())
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn what_each_size_of_slice_keeps_back() {
        for (net, gateway, capacity) in [
            ("10.244.1.0/24", "10.244.1.1", 253),
            ("10.244.1.7/24", "10.244.1.1", 253),
            ("10.0.0.0/8", "10.0.0.1", (1 << 24) - 3),
            ("192.0.2.4/30", "192.0.2.5", 1),
            ("192.0.2.4/31", "192.0.2.4", 1),
            ("192.0.2.4/32", "192.0.2.4", 0),
            ("0.0.0.0/0", "0.0.0.1", (1 << 32) - 3),
            ("fd00:10:244:1::/64", "fd00:10:244:1::1", (1 << 64) - 2),
            ("fd00::4/126", "fd00::5", 2),
            ("fd00::4/127", "fd00::4", 1),
            ("fd00::4/128", "fd00::4", 0),
            ("::/0", "::1", u128::MAX - 1),
        ] {
            assert_eq!(slice(net).gateway(), ip(gateway), "{net}");
            assert_eq!(slice(net).capacity(), capacity, "{net}");
        }
    }

    #[test]
    fn reservations_are_named() {
        let net = slice("10.0.0.0/29");
        assert_eq!(net.reservation(ip("10.0.0.0")), Some(Reservation::Network));
        assert_eq!(net.reservation(ip("10.0.0.1")), Some(Reservation::Gateway));
        assert_eq!(net.reservation(ip("10.0.0.2")), None);
        assert_eq!(net.reservation(ip("10.0.0.7")), Some(Reservation::Broadcast));
        assert_eq!(slice("10.0.0.0/31").reservation(ip("10.0.0.1")), None);
        assert_eq!(
            slice("fd00::/64").reservation(ip("fd00::")),
            Some(Reservation::Network)
        );
        assert_eq!(
            slice("fd00::/64").reservation(ip("fd00::ffff:ffff:ffff:ffff")),
            None
        );
    }

    #[test]
    fn both_families_come_together_or_not_at_all() {
        let mut ipam =
            Ipam::in_memory(&["10.0.0.0/29".parse().unwrap(), "fd00::/127".parse().unwrap()]).unwrap();
        assert_eq!(
            ipam.allocate("shop/web").unwrap(),
            [ip("10.0.0.2"), ip("fd00::1")]
        );
        assert_eq!(
            ipam.allocate("shop/web"),
            Err(IpamError::OwnerHasAddresses("shop/web".into()))
        );
        let error = ipam.allocate("shop/cart").unwrap_err();
        assert_eq!(
            error.to_string(),
            "no address is left in fd00::/127: all 1 are in use"
        );
        ipam.release("shop/web").unwrap();
        assert_eq!(
            ipam.allocate("shop/cart").unwrap(),
            [ip("10.0.0.3"), ip("fd00::1")],
            "10.0.0.2 rests"
        );
    }

    #[test]
    fn requests_are_refused_with_the_reason() {
        let mut ipam = Ipam::in_memory(&["10.0.0.0/29".parse().unwrap()]).unwrap();
        ipam.allocate_requested("shop/web", &[ip("10.0.0.5")]).unwrap();
        for (address, sentence) in [
            ("10.0.0.5", "10.0.0.5 belongs to `shop/web`"),
            ("10.0.0.7", "10.0.0.7 is kept back in its pod CIDR for broadcast"),
            (
                "10.0.0.1",
                "10.0.0.1 is kept back in its pod CIDR for the gateway",
            ),
            ("10.0.1.1", "10.0.1.1 is not in a pod CIDR of this node"),
        ] {
            let error = ipam.allocate_requested("shop/cart", &[ip(address)]).unwrap_err();
            assert_eq!(error.to_string(), sentence);
        }
        assert_eq!(
            ipam.release("shop/cart").unwrap(),
            Vec::<IpAddr>::new(),
            "a refused request left nothing"
        );
    }

    #[test]
    fn slices_are_one_of_a_family() {
        assert_eq!(Ipam::in_memory(&[]).unwrap_err(), IpamError::NoSlice);
        let two = ["10.0.0.0/24".parse().unwrap(), "10.0.1.0/24".parse().unwrap()];
        assert!(matches!(Ipam::in_memory(&two), Err(IpamError::TwoSlices(..))));
    }

    /// A store that fails on demand.
    #[derive(Default)]
    struct Failing {
        inner: InMemory,
        broken: bool,
    }

    impl LeaseStore for Failing {
        fn leases(&self) -> Result<Vec<Lease>, String> {
            self.inner.leases()
        }
        fn keep(&mut self, leases: &[Lease]) -> Result<(), String> {
            if self.broken {
                Err("disk full".into())
            } else {
                self.inner.keep(leases)
            }
        }
        fn forget(&mut self, owner: &str) -> Result<(), String> {
            if self.broken {
                Err("disk full".into())
            } else {
                self.inner.forget(owner)
            }
        }
    }

    #[test]
    fn a_failing_store_neither_gives_nor_takes_back() {
        let mut ipam = Ipam::new(&["10.0.0.0/30".parse().unwrap()], Failing::default()).unwrap();
        ipam.store.broken = true;
        assert_eq!(ipam.allocate("a"), Err(IpamError::Store("disk full".into())));
        ipam.store.broken = false;
        assert_eq!(ipam.allocate("a").unwrap(), [ip("10.0.0.2")]);
        ipam.store.broken = true;
        assert!(ipam.release("a").is_err());
        ipam.store.broken = false;
        assert!(
            matches!(ipam.allocate("b"), Err(IpamError::Exhausted { .. })),
            "still a's"
        );
    }

    #[test]
    fn a_store_with_leases_is_continued() {
        let mut store = InMemory::default();
        let lease = |address| Lease {
            address: ip(address),
            owner: format!("pod-{address}"),
        };
        store.keep(&[lease("10.0.0.2"), lease("10.9.9.9")]).unwrap();
        let mut ipam = Ipam::new(&["10.0.0.0/29".parse().unwrap()], store).unwrap();
        assert_eq!(ipam.allocate("new").unwrap(), [ip("10.0.0.3")]);
    }

    fn any_small_slice() -> impl Strategy<Value = IpNet> {
        prop_oneof![
            (any::<u32>(), 22_u8..=32)
                .prop_map(|(base, len)| IpNet::new(Ipv4Addr::from(base).into(), len).unwrap()),
            (any::<u128>(), 118_u8..=128).prop_map(|(base, len)| IpNet::new(
                Ipv6Addr::from(base).into(),
                len
            )
            .unwrap()),
        ]
    }

    proptest! {
        /// Filling a slice gives every usable address once, in order, and then says that it is full; what it
        /// never gave is exactly what is kept back.
        #[test]
        fn filling_gives_each_usable_address_once(net in any_small_slice()) {
            let mut ipam = Ipam::in_memory(&[net]).unwrap();
            let slice = Slice::new(net);
            let mut given = Vec::new();
            loop {
                match ipam.allocate(&given.len().to_string()) {
                    Ok(addresses) => given.extend(addresses),
                    Err(error) => {
                        let exhausted = matches!(error, IpamError::Exhausted { .. });
                        prop_assert!(exhausted, "{}", error);
                        break;
                    }
                }
            }
            prop_assert_eq!(given.len() as u128, slice.capacity());
            let usable: Vec<IpAddr> = (0..1_u128 << slice.host_bits())
                .map(|offset| slice.address(offset))
                .filter(|address| slice.reservation(*address).is_none())
                .collect();
            prop_assert_eq!(given, usable);
        }

        /// Whatever the order of giving, requesting and taking back: no address has two owners, all are inside
        /// and none is kept back.
        #[test]
        fn no_address_has_two_owners(
            net in any_small_slice(),
            steps in prop::collection::vec((0_u8..3, 0_u8..12, any::<u8>()), 0..200),
        ) {
            let mut ipam = Ipam::in_memory(&[net]).unwrap();
            let slice = Slice::new(net);
            let mut model: BTreeMap<String, IpAddr> = BTreeMap::new();
            for (step, owner, offset) in steps {
                let owner = format!("pod-{owner}");
                match step {
                    0 => if let Ok(addresses) = ipam.allocate(&owner) {
                        prop_assert!(!model.contains_key(&owner));
                        prop_assert!(!model.values().any(|held| *held == addresses[0]));
                        prop_assert!(slice.net().contains(&addresses[0]));
                        prop_assert_eq!(slice.reservation(addresses[0]), None);
                        model.insert(owner, addresses[0]);
                    } else {
                        prop_assert!(model.contains_key(&owner) || model.len() as u128 == slice.capacity());
                    },
                    1 => {
                        let bits = slice.host_bits();
                        let address = slice.address(u128::from(offset) & ((1 << bits) - 1));
                        let free = !model.contains_key(&owner)
                            && !model.values().any(|held| *held == address)
                            && slice.reservation(address).is_none();
                        let granted = ipam.allocate_requested(&owner, &[address]).is_ok();
                        prop_assert_eq!(granted, free);
                        if granted {
                            model.insert(owner, address);
                        }
                    }
                    _ => {
                        let released = ipam.release(&owner).unwrap();
                        prop_assert_eq!(released, model.remove(&owner).into_iter().collect::<Vec<_>>());
                    }
                }
            }
        }

        /// Large slices: nothing is materialised, and the first addresses follow the gateway.
        #[test]
        fn large_ipv6_slices_start_behind_the_gateway(base in any::<u128>(), len in 0_u8..=64) {
            let net = IpNet::new(Ipv6Addr::from(base).into(), len).unwrap();
            let mut ipam = Ipam::in_memory(&[net]).unwrap();
            let IpAddr::V6(gateway) = Slice::new(net).gateway() else { panic!("a family mix-up") };
            let IpAddr::V6(first) = ipam.allocate("a").unwrap()[0] else { panic!("a family mix-up") };
            prop_assert_eq!(u128::from(first), u128::from(gateway) + 1);
        }
    }
}
