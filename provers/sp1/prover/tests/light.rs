//! The light role against every guest and every upload that can go wrong: nothing may be believed, nothing may crash.

mod support;

use std::time::{Duration, Instant};

use hierophant_prover_protocol::{
    host::CallOptions,
    proto::{Execute, Limits, Role, Verify, failure::Class, program_fault::Cause},
};
use sha2::{Digest as _, Sha256};
use support::{
    CyclesOf as _, Host, SYSTEM, assert_input, failure, fibonacci_values, forget_peak_memory, guest, number,
    peak_memory_bytes, program, stdin, unlimited, verify_call,
};

/// A light process is one of many; far below this it is, and nothing that is made for proving fits.
const IDLE_BYTES_MAX: u64 = 100_000_000;

#[tokio::test]
async fn hello_is_quick_and_names_what_is_served() {
    let started = Instant::now();
    let host = Host::start(Role::Light, &[]).await;
    // Far above what it takes (under a second), far below what an engine would take.
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    let hello = host.process.hello();
    assert_eq!(hello.max_jobs, 1);
    for call in ["execute", "setup", "verify", "cancel"] {
        assert!(hello.calls.iter().any(|name| name == call), "{call}");
    }
    assert!(!hello.calls.iter().any(|name| name == "prove"));
    let kinds: Vec<_> = hello.systems[0].kinds.iter().map(|kind| kind.name.as_str()).collect();
    assert_eq!(kinds, ["core", "compressed", "plonk", "groth16"]);
    assert_eq!(hello.systems[0].toolchain, support::TOOLCHAIN);
}

#[tokio::test]
async fn it_stays_small_and_within_what_it_announces() {
    let host = Host::start(Role::Light, &[]).await;
    let announced = host.process.hello().systems[0].kinds[0].memory_bytes;
    let idle = peak_memory_bytes(&host);
    assert!(idle < IDLE_BYTES_MAX, "{idle} bytes of memory before the first call");

    forget_peak_memory(&host);
    host.execute("fibonacci", &number(100), unlimited()).await;
    let executing = peak_memory_bytes(&host);
    forget_peak_memory(&host);
    host.setup(&program(&guest("fibonacci"))).await.expect("sets up");
    let setting_up = peak_memory_bytes(&host);
    println!("peak memory in bytes: idle {idle}, execute {executing}, setup {setting_up}");
    assert!(executing.max(setting_up) < announced, "{executing}, {setting_up}");
}

#[tokio::test]
async fn the_allocator_is_set_up_once_and_an_operators_own_values_stay() {
    let environment = |host: &Host| {
        let names = [
            "MALLOC_ARENA_MAX=",
            "MALLOC_MMAP_THRESHOLD_=",
            "MALLOC_TRIM_THRESHOLD_=",
        ];
        let all = std::fs::read(format!("/proc/{}/environ", host.process.pid())).expect("it runs");
        let all = String::from_utf8(all).expect("text");
        names.map(|name| {
            let values = all.split('\0').filter_map(|pair| pair.strip_prefix(name));
            values.map(str::to_owned).collect::<Vec<_>>()
        })
    };
    let host = Host::start(Role::Light, &[]).await;
    assert_eq!(environment(&host), [["2"], ["131072"], ["131072"]]);
    let host = Host::start_with(Role::Light, &[], &[("MALLOC_ARENA_MAX", "1")]).await;
    assert_eq!(environment(&host), [["1"], ["131072"], ["131072"]]);
}

#[tokio::test]
async fn every_guest_ends_as_it_should() {
    let host = Host::start(Role::Light, &[("execution_grace_seconds", "3")]).await;

    let good = host.execute("fibonacci", &number(100), unlimited()).await;
    assert_eq!(good.cause(), None);
    assert_eq!(good.public_values, fibonacci_values(100));
    let record = good.reply.record.as_ref().expect("a record");
    assert_eq!(
        record.public_values_sha256,
        Sha256::digest(fibonacci_values(100)).to_vec()
    );
    assert_eq!(record.exit_code, Some(0));
    assert!(record.gas.is_some_and(|gas| gas > 0));

    let exited = host.execute("exit-one", &stdin(&[]), unlimited()).await;
    assert_eq!(exited.cause(), Some(Cause::NonZeroExit));
    assert_eq!(exited.reply.record.expect("a record").exit_code, Some(1));

    let read_past = host.execute("read-past", &number(1), unlimited()).await;
    assert_eq!(read_past.cause(), Some(Cause::AbnormalExit));
    let message = read_past.reply.fault.expect("a fault").message;
    assert!(message.contains("more input than there is"), "{message}");

    // Touches no memory at all, so that SP1 itself never interrupts it.
    let limits = Limits {
        cycles: Some(1_000_000),
        ..unlimited()
    };
    let spun = host.execute("spin", &stdin(&[]), limits).await;
    assert_eq!(spun.cause(), Some(Cause::CycleLimit));

    let large = host.execute("large-output", &number(200_000), unlimited()).await;
    assert_eq!(large.cause(), None);
    assert_eq!(large.public_values.len(), 200_000);
    let pattern = |(index, byte): (usize, &u8)| usize::from(*byte) == index % 251;
    assert!(large.public_values.iter().enumerate().all(pattern));

    assert!(host.process.is_alive());
}

#[tokio::test]
async fn every_way_to_fail_has_its_cause() {
    const ECALL: u32 = 0x73;
    /// `addi register, x0, value`: x5 is the number of a system call, x10 its first argument.
    fn load(register: u32, value: u32) -> u32 {
        (value << 20) | (register << 7) | 0x13
    }
    let host = Host::start(Role::Light, &[("execution_grace_seconds", "2")]).await;
    let enter_unconstrained = [load(5, 3), ECALL];
    let cases: [(&str, Vec<u32>, Option<Cause>); 9] = [
        ("halts with 0", vec![load(5, 0), load(10, 0), ECALL], None),
        (
            "halts with 7",
            vec![load(5, 0), load(10, 7), ECALL],
            Some(Cause::NonZeroExit),
        ),
        // x5 = -1, then a load from there.
        (
            "reads beyond all memory",
            vec![load(5, 0xfff), 0x0002_b503],
            Some(Cause::InvalidMemoryAccess),
        ),
        (
            "makes a system call that is none",
            vec![load(5, 0x7ff), ECALL],
            Some(Cause::UnsupportedSyscall),
        ),
        (
            "has no instruction there",
            vec![0xc000_1073],
            Some(Cause::Unimplemented),
        ),
        // SP1's native executor does not tell a breakpoint from an instruction that is none.
        ("hits a breakpoint", vec![0x0010_0073], Some(Cause::Unimplemented)),
        (
            "commits while unconstrained",
            [&enter_unconstrained[..], &[load(5, 0x10), ECALL]].concat(),
            Some(Cause::InvalidSyscallUsage),
        ),
        (
            "halts while unconstrained",
            [&enter_unconstrained[..], &[load(5, 0), ECALL]].concat(),
            Some(Cause::EndInUnconstrained),
        ),
        (
            "spins while unconstrained",
            [&enter_unconstrained[..], &[0x0000_006f]].concat(),
            Some(Cause::CycleLimit),
        ),
    ];
    for (what, code, cause) in cases {
        let limits = Limits {
            cycles: Some(100_000),
            ..unlimited()
        };
        let upload = program(&tiny_elf(&code));
        let executed = host.execute_uploads(&upload, &stdin(&[]), limits).await;
        let executed = executed.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(executed.cause(), cause, "{what}: {:?}", executed.reply.fault);
    }
}

#[tokio::test]
async fn guest_output_is_kept_to_its_limit_and_out_of_the_log() {
    let host = Host::start(Role::Light, &[]).await;
    let limits = Limits {
        guest_log_bytes: 1000,
        ..unlimited()
    };
    let printed = host.execute("print", &number(10_000), limits).await;
    assert_eq!(printed.cause(), None);
    assert_eq!(printed.guest_log.len(), 1000);
    assert!(printed.guest_log.starts_with(b"abcdefghijklmnopqrstuvwxyzab"));
    let whole = host.execute("print", &number(10_000), unlimited()).await;
    assert!(whole.guest_log.len() >= 10_000, "{}", whole.guest_log.len());
    let quiet = host.execute("fibonacci", &number(3), unlimited()).await;
    assert!(quiet.guest_log.is_empty(), "left over from another job");
    for line in host.process.recent_log() {
        assert!(!line.contains("abcdefgh"), "guest output in the log: {line}");
    }
}

#[tokio::test]
async fn limits_are_inclusive() {
    let host = Host::start(Role::Light, &[]).await;
    let input = number(100);
    let run = |limits| host.execute("fibonacci", &input, limits);
    let free = run(unlimited()).await;
    let cycles = free.cycles();
    let gas = free.reply.record.expect("a record").gas.expect("gas");
    let exact = Limits {
        cycles: Some(cycles),
        gas: Some(gas),
        ..unlimited()
    };
    assert_eq!(run(exact).await.cause(), None);
    let fewer = Limits {
        cycles: Some(cycles - 1),
        ..unlimited()
    };
    assert_eq!(run(fewer).await.cause(), Some(Cause::CycleLimit));
    let less = Limits {
        gas: Some(gas - 1),
        ..unlimited()
    };
    assert_eq!(run(less).await.cause(), Some(Cause::GasLimit));
    let most = Limits {
        cycles: Some(u64::MAX),
        gas: Some(u64::MAX),
        ..unlimited()
    };
    let again = run(most).await;
    assert_eq!(again.cause(), None);
    assert_eq!(
        again.reply.record.and_then_cycles(),
        cycles,
        "counted the same each time"
    );
}

#[tokio::test]
async fn uploads_that_are_none_are_refused_in_a_sentence() {
    // Small, so that a bomb does not fill the machine that runs the tests.
    let host = Host::start(Role::Light, &[("max_decoded_bytes", "16777216")]).await;
    let good = program(&guest("fibonacci"));
    let input = number(1);
    let bomb = zstd::encode_all(std::io::repeat(0).take_bytes(64 << 20), 3).expect("compresses");
    assert!(bomb.len() < 1 << 20);
    let mut huge_length = (1_u64 << 60).to_le_bytes().to_vec();
    huge_length.extend([0; 32]);
    let mut trailing = good.clone();
    trailing.extend(b"more");
    let cases: [(&[u8], &str); 9] = [
        (&bomb, "max_decoded_bytes"),
        (&good[..good.len() / 2], "cut off"),
        (&trailing, "follows"),
        (&huge_length, "announces"),
        (&huge_length[..4], "fewer than 8"),
        (b"", "fewer than 8"),
        (&[0x28, 0xb5, 0x2f, 0xfd], "cut off"),
        (&program(b"no ELF file"), "ELF"),
        (&program(&guest("fibonacci")[..200]), "ELF"),
    ];
    for (upload, part) in cases {
        assert_input(host.execute_uploads(upload, &input, unlimited()).await, part);
        assert_input(host.setup(upload).await, part);
    }
    let inner_length = bincode::serialize(&(1_u64 << 60, 1_u64 << 60)).expect("encodes");
    let too_many = bincode::serialize(&(1_u64, 1_u64 << 60)).expect("encodes");
    let proofs = bincode::serialize(&(0_u64, 0_u64, 1_u64 << 60)).expect("encodes");
    let mut tail = bincode::serialize(&(0_u64, 0_u64, 0_u64)).expect("encodes");
    tail.push(1);
    let cases: [(&[u8], &str); 6] = [
        (&bomb, "max_decoded_bytes"),
        (&inner_length, "SP1Stdin"),
        (&too_many, "SP1Stdin"),
        (&proofs, "SP1Stdin"),
        (&tail, "SP1Stdin"),
        (b"", "SP1Stdin"),
    ];
    for (upload, part) in cases {
        assert_input(host.execute_uploads(&good, upload, unlimited()).await, part);
    }
    assert_eq!(
        host.execute_uploads(&good, &input, unlimited())
            .await
            .expect("runs")
            .cause(),
        None
    );
}

#[tokio::test]
async fn any_cut_or_flip_of_an_elf_file_ends_in_a_reply() {
    let host = Host::start(Role::Light, &[("execution_grace_seconds", "2")]).await;
    let elf = guest("exit-one");
    let limits = Limits {
        cycles: Some(100_000),
        ..unlimited()
    };
    for position in (0..elf.len().min(512)).step_by(7) {
        let mut damaged = elf.clone();
        damaged[position] ^= 0x55;
        // Whatever it is called: the process must live and answer.
        let _ = host.execute_uploads(&program(&damaged), &stdin(&[]), limits).await;
        assert!(host.process.is_alive(), "byte {position} ended the prover");
    }
}

#[tokio::test]
async fn set_up_is_the_same_in_every_process() {
    let upload = program(&guest("fibonacci"));
    let mut replies = Vec::new();
    for _ in 0..2 {
        let host = Host::start(Role::Light, &[]).await;
        replies.push(host.setup(&upload).await.expect("sets up"));
        let bare = bincode::serialize(&guest("fibonacci")).expect("encodes");
        replies.push(host.setup(&bare).await.expect("sets up"));
    }
    assert!(replies.iter().all(|reply| *reply == replies[0]));
    assert_eq!(replies[0].vk.len(), 104);
    assert_eq!(replies[0].program_id.len(), 32);
}

#[tokio::test]
async fn a_cancel_ends_an_execution_and_its_processes() {
    let host = Host::start(Role::Light, &[]).await;
    let outputs = host.process.output_dir().expect("a directory");
    let job = host.process.new_job();
    let call = Execute {
        system: SYSTEM.into(),
        inputs: vec![
            host.input("program", &program(&guest("spin"))),
            host.input("stdin", &stdin(&[])),
        ],
        limits: Some(unlimited()),
        output_dir: outputs.path().to_str().expect("UTF-8").to_owned(),
        ..Execute::default()
    };
    let options = CallOptions::within(Duration::from_secs(3));
    let error = host
        .process
        .call(job, call, options)
        .await
        .expect_err("never ends by itself");
    assert!(host.process.is_alive(), "it reacts to a cancel: {error}");
    let after = host.execute("fibonacci", &number(5), unlimited()).await;
    assert_eq!(after.cause(), None);
}

#[tokio::test]
async fn what_is_not_served_is_said() {
    let host = Host::start(Role::Light, &[]).await;
    let other = hierophant_prover_protocol::proto::Setup {
        system: "other".into(),
        inputs: Vec::new(),
    };
    assert_eq!(failure(host.call(other).await).class(), Class::Unsupported);
    let uploads = (program(&guest("fibonacci")), number(1));
    let proof = host.prove("core", (&uploads.0, &uploads.1), &[0; 32]).await;
    assert_eq!(failure(proof).class(), Class::Unsupported);
}

#[tokio::test]
async fn mock_proofs_are_made_at_once_and_never_taken_for_real() {
    let mut host = Host::start(Role::Prove, &[("mock_only", "true")]).await;
    let uploads = (program(&guest("fibonacci")), number(100));
    let key = host.setup(&uploads.0).await.expect("sets up");
    let real = host.prove("core", (&uploads.0, &uploads.1), &key.program_id).await;
    assert_eq!(failure(real).class(), Class::Unsupported);
    host.mock = true;
    for kind in ["core", "compressed", "plonk", "groth16"] {
        let (reply, proof, _) = host
            .prove(kind, (&uploads.0, &uploads.1), &key.program_id)
            .await
            .expect("mocks");
        assert!(reply.record.is_some());
        let check = |proof: &[u8], mock| Verify {
            mock,
            ..verify_call(&host, kind, proof, &key)
        };
        let as_mock = host.verify(check(&proof, true)).await.expect("a verdict");
        assert!(as_mock.valid, "{kind}: {}", as_mock.reason);
        let hash = Sha256::digest(fibonacci_values(100)).to_vec();
        assert_eq!(as_mock.public_values_sha256, hash);
        let as_real = host.verify(check(&proof, false)).await.expect("a verdict");
        assert!(!as_real.valid, "a mock {kind} proof passes for a real one");
    }
}

/// An ELF file for rv64im that holds nothing but these instructions.
fn tiny_elf(code: &[u32]) -> Vec<u8> {
    const BASE: u64 = 0x7800_0000;
    const HEADERS_BYTES: u64 = 64 + 56;
    let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let half = |elf: &mut Vec<u8>, value: u16| elf.extend(value.to_le_bytes());
    let word = |elf: &mut Vec<u8>, value: u32| elf.extend(value.to_le_bytes());
    let long = |elf: &mut Vec<u8>, value: u64| elf.extend(value.to_le_bytes());
    // Executable, RISC-V; entry, program headers behind this one, no sections.
    half(&mut elf, 2);
    half(&mut elf, 243);
    word(&mut elf, 1);
    long(&mut elf, BASE);
    long(&mut elf, 64);
    long(&mut elf, 0);
    word(&mut elf, 0);
    for value in [64, 56, 1, 64, 0, 0] {
        half(&mut elf, value);
    }
    // One segment to load, readable and executable.
    let bytes = 4 * code.len() as u64;
    word(&mut elf, 1);
    word(&mut elf, 5);
    for value in [HEADERS_BYTES, BASE, BASE, bytes, bytes, 8] {
        long(&mut elf, value);
    }
    elf.extend(code.iter().flat_map(|instruction| instruction.to_le_bytes()));
    elf
}

/// `io::repeat` with an end, readable in one expression.
trait TakeBytes: Sized {
    fn take_bytes(self, bytes: u64) -> std::io::Take<Self>;
}

impl TakeBytes for std::io::Repeat {
    fn take_bytes(self, bytes: u64) -> std::io::Take<Self> {
        std::io::Read::take(self, bytes)
    }
}
