//! A private piece of the kernel for each test, and programs small enough to know everything about.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use codegen_ebpf::asm::{Assembler, Program, Symbol};
use codegen_ebpf::datapath::records;
use codegen_ebpf::elf;
use codegen_ebpf::insn::{AluOp, Condition, Reg, Size};
use codegen_ebpf::maps::MapSpec;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{setsockopt, sockopt};
use runtime_loader::device::EndpointName;
use runtime_loader::netlink::{MacAddress, Netlink, RouteEntry, Veth, VethPeer};
use runtime_loader::object::PolicyObject;

/// `TC_ACT_SHOT`: the packet is dropped.
pub(crate) const DENY: i32 = 2;
/// `TC_ACT_UNSPEC`: the packet goes on to the next program of the hook.
pub(crate) const ALLOW: i32 = -1;

/// Runs a test in network and mount namespaces of its own, with a BPF file system of its own at the usual place.
/// They belong to one thread: however the test ends, the kernel takes them apart, pins, links and devices included.
pub(crate) fn sandbox(test: &str, body: impl FnOnce() + Send + 'static) {
    if !nix::unistd::geteuid().is_root() {
        assert!(
            std::env::var_os("PORTCULLIS_REQUIRE_KERNEL").is_none(),
            "{test} needs root"
        );
        eprintln!("SKIPPED (needs root): {test}");
        return;
    }
    let thread = std::thread::Builder::new().name(test.to_owned()).spawn(|| {
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).unwrap();
        // Otherwise what is mounted here would be mounted outside too.
        let private = MsFlags::MS_PRIVATE | MsFlags::MS_REC;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
        mount(
            Some("bpf"),
            "/sys/fs/bpf",
            Some("bpf"),
            MsFlags::empty(),
            None::<&str>,
        )
        .unwrap();
        body();
    });
    if let Err(panic) = thread.unwrap().join() {
        std::panic::resume_unwind(panic);
    }
}

/// The maps of policy programs, in the order of their definitions.
fn maps(conntrack_entries: u32) -> [MapSpec; 3] {
    let [conntrack, counters, events] = records::MAPS;
    let conntrack = MapSpec {
        max_entries: conntrack_entries,
        ..conntrack
    };
    [conntrack, counters, events]
}

/// A program that counts every IPv4 packet under one key of its counters and answers with one action; others go on.
pub(crate) fn counting_object(action: i32, slot: i32) -> PolicyObject {
    PolicyObject::parse(&counting_elf(action, slot, 1024)).unwrap()
}

/// As [`counting_object`], before parsing.
pub(crate) fn counting_elf(action: i32, slot: i32, conntrack_entries: u32) -> Vec<u8> {
    let mut asm = Assembler::new();
    let (other, out) = (asm.label(), asm.label());
    // `__sk_buff.protocol` is at byte 16, in network byte order.
    asm.load(Size::W, Reg::R2, Reg::R1, 16);
    asm.jump(Condition::Ne, Reg::R2, i32::from(0x0800_u16.to_be()), other);
    asm.store(Size::W, Reg::R10, -4, slot);
    asm.load_symbol(Reg::R1, Symbol::Map("counters"));
    asm.mov(Reg::R2, Reg::R10);
    asm.alu(AluOp::Add, Reg::R2, -4);
    asm.call(1); // bpf_map_lookup_elem
    asm.jump(Condition::Eq, Reg::R0, 0, out);
    asm.load(Size::DW, Reg::R1, Reg::R0, 0);
    asm.alu(AluOp::Add, Reg::R1, 1);
    asm.store(Size::DW, Reg::R0, 0, Reg::R1);
    asm.bind(out);
    asm.mov(Reg::R0, action);
    asm.exit();
    asm.bind(other);
    asm.mov(Reg::R0, ALLOW);
    asm.exit();
    write(&asm.finish().unwrap(), &maps(conntrack_entries))
}

/// A program that the verifier refuses: it returns a register that was never set.
pub(crate) fn unverifiable_object() -> PolicyObject {
    let mut asm = Assembler::new();
    asm.mov(Reg::R6, 0);
    asm.exit();
    PolicyObject::parse(&write(&asm.finish().unwrap(), &maps(1024))).unwrap()
}

fn write(program: &Program, maps: &[MapSpec]) -> Vec<u8> {
    elf::write("test_policy", program, maps, &[]).unwrap().bytes
}

/// A network namespace on a thread of its own, which serves jobs until it is dropped.
pub(crate) struct Pod {
    pub(crate) namespace: File,
    jobs: Option<mpsc::Sender<Box<dyn FnOnce() + Send>>>,
    thread: Option<JoinHandle<()>>,
}

impl Pod {
    fn new() -> Self {
        let (jobs, queue) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
        let (ready, started) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            ready
                .send(File::open("/proc/thread-self/ns/net").unwrap())
                .unwrap();
            for job in queue {
                job();
            }
        });
        Self {
            namespace: started.recv().unwrap(),
            jobs: Some(jobs),
            thread: Some(thread),
        }
    }

    pub(crate) fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (answer, result) = mpsc::channel();
        let job = Box::new(move || drop(answer.send(job())));
        self.jobs.as_ref().unwrap().send(job).unwrap();
        result.recv().expect("the job panicked in the pod's namespace")
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        self.jobs.take();
        if let Some(thread) = self.thread.take() {
            // A job that panicked has failed the test already.
            let _ = thread.join();
        }
    }
}

/// A veth pair between the sandbox's namespace (the node) and a pod's.
pub(crate) struct Wire {
    pub(crate) endpoint: EndpointName,
    pub(crate) device: String,
    pub(crate) pod: Pod,
    /// The pod's address.
    pub(crate) address: Ipv4Addr,
}

/// The node's address.
pub(crate) const NODE: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
/// The address of a sandbox's only pod.
pub(crate) const POD: Ipv4Addr = Ipv4Addr::new(10, 9, 7, 2);

impl Wire {
    pub(crate) fn new(name: &str) -> Self {
        Self::with_address(name, POD)
    }

    /// One of several.
    pub(crate) fn with_address(name: &str, address: Ipv4Addr) -> Self {
        let endpoint = EndpointName::new("test", name);
        let device = endpoint.host_device();
        let pod = Pod::new();
        let (node_mac, pod_mac) = (MacAddress([2, 0, 0, 0, 0, 1]), MacAddress([2, 0, 0, 0, 0, 2]));
        let mut node = Netlink::open().unwrap();
        node.create_veth(&Veth {
            name: &device,
            mac: node_mac,
            peer: VethPeer {
                name: "eth0",
                mac: pod_mac,
                namespace: pod.namespace.as_fd(),
            },
        })
        .unwrap();
        let mut inside = pod.run(|| Netlink::open().unwrap());
        let sides = [
            (&mut node, device.as_str(), NODE, address, pod_mac),
            (&mut inside, "eth0", address, NODE, node_mac),
        ];
        for (netlink, link, own, other, mac) in sides {
            netlink.add_address(link, IpAddr::from(own).into()).unwrap();
            netlink.set_up(link).unwrap();
            netlink.add_neighbour(link, other.into(), mac).unwrap();
            let destination = IpAddr::from(other).into();
            let route = RouteEntry {
                destination,
                gateway: None,
                link: link.into(),
                source: None,
            };
            netlink.add_route(&route).unwrap();
        }
        // Before that, what is sent is lost.
        for (netlink, link) in [(&mut node, device.as_str()), (&mut inside, "eth0")] {
            netlink.wait_until_running(link, Duration::from_secs(30)).unwrap();
        }
        Self {
            endpoint,
            device,
            pod,
            address,
        }
    }

    /// A socket of the node connected to one of the pod: what goes through is judged by the ingress policy.
    pub(crate) fn node_to_pod(&self) -> (UdpSocket, UdpSocket) {
        let address = self.address;
        let receiver = self.pod.run(move || bind(address));
        let sender = bind(NODE);
        sender.connect(receiver.local_addr().unwrap()).unwrap();
        (sender, receiver)
    }

    /// The other way round: the egress policy.
    pub(crate) fn pod_to_node(&self) -> (UdpSocket, UdpSocket) {
        let receiver = bind(NODE);
        let to = receiver.local_addr().unwrap();
        let address = self.address;
        let sender = self.pod.run(move || {
            let sender = bind(address);
            sender.connect(to).unwrap();
            sender
        });
        (sender, receiver)
    }
}

fn bind(address: Ipv4Addr) -> UdpSocket {
    let socket = UdpSocket::bind(SocketAddr::from((address, 0))).unwrap();
    setsockopt(&socket, sockopt::RcvBufForce, &(16 << 20)).unwrap();
    // A send that a program drops then answers ENOBUFS instead of nothing (`udp_send_skb`: the error is kept
    // only for sockets with IP_RECVERR).
    setsockopt(&socket, sockopt::Ipv4RecvErr, &true).unwrap();
    socket
}

/// Each datagram is another one, so that one that arrives late is not taken for a later one.
static NONCE: AtomicU64 = AtomicU64::new(0);

/// Sends a datagram and says whether the sender's own side let it through.
fn send(sender: &UdpSocket) -> Option<[u8; 8]> {
    let nonce = NONCE.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    match sender.send(&nonce) {
        Ok(_) => Some(nonce),
        Err(error) => {
            assert_eq!(error.raw_os_error(), Some(libc::ENOBUFS), "{error}");
            None
        }
    }
}

fn receive(receiver: &UdpSocket, wait: Duration) -> Option<[u8; 8]> {
    receiver.set_read_timeout(Some(wait)).unwrap();
    let mut buffer = [0; 8];
    match receiver.recv(&mut buffer) {
        Ok(length) => {
            assert_eq!(length, buffer.len());
            Some(buffer)
        }
        Err(error) => {
            assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "{error}");
            None
        }
    }
}

/// A datagram arrives, however busy the machine is.
#[track_caller]
pub(crate) fn assert_arrives(sender: &UdpSocket, receiver: &UdpSocket) {
    let nonce = send(sender).expect("the datagram was dropped where it was sent");
    assert_eq!(receive(receiver, Duration::from_secs(30)), Some(nonce));
}

/// A datagram does not arrive. One that is merely late fails the next assertion on the same sockets.
#[track_caller]
pub(crate) fn assert_dropped(sender: &UdpSocket, receiver: &UdpSocket) {
    if send(sender).is_some() {
        assert_eq!(
            receive(receiver, Duration::from_millis(100)),
            None,
            "the datagram arrived"
        );
    }
}
