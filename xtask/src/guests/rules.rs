//! What SP1 6 demands of a program's ELF file, checked without SP1.
//!
//! Source: the loader of crate sp1-core-executor 6.10 (`disassembler/elf.rs`), and what proofs of programs that it
//! loads but cannot verify have shown (no writable segment, see `guests/sp1/runtime/link.ld`).

use anyhow::{Context, Result, bail, ensure};

/// Segments lie at or above this address; below is the stack.
const STACK_TOP: u64 = 0x7800_0000;
/// Bytes of an instruction.
const INSTRUCTION: u64 = 4;

const CLASS_64_LITTLE_ENDIAN: [u8; 6] = [0x7f, b'E', b'L', b'F', 2, 1];
const TYPE_EXECUTABLE: u16 = 2;
const MACHINE_RISCV: u16 = 243;
const SEGMENT_LOAD: u32 = 1;
const FLAG_EXECUTE: u32 = 1;
const FLAG_READ: u32 = 4;
/// Size of a program header in a 64-bit file.
const PROGRAM_HEADER: u64 = 56;

/// A LOAD segment.
struct Segment {
    flags: u32,
    address: u64,
    size_in_file: u64,
    size_in_memory: u64,
}

/// Fails unless a file keeps the rules, and says which it breaks.
pub(super) fn check(file: &[u8]) -> Result<()> {
    ensure!(
        file.starts_with(&CLASS_64_LITTLE_ENDIAN),
        "not a 64-bit little-endian ELF file"
    );
    ensure!(u16_at(file, 16)? == TYPE_EXECUTABLE, "not of type EXEC");
    ensure!(u16_at(file, 18)? == MACHINE_RISCV, "not for RISC-V");
    let entry = u64_at(file, 24)?;

    let segments = load_segments(file)?;
    for segment in &segments {
        check_segment(segment)?;
    }
    for pair in segments.windows(2) {
        ensure!(
            end(&pair[0])? <= pair[1].address,
            "segments overlap or are out of order"
        );
    }
    let mut code = segments.iter().filter(|segment| segment.flags & FLAG_EXECUTE != 0);
    let Some(text) = code.next() else {
        bail!("no executable segment")
    };
    ensure!(code.next().is_none(), "more than one executable segment");
    ensure!(
        (text.address..end(text)?).contains(&entry),
        "the entry point {entry:#x} is not in the code"
    );
    Ok(())
}

fn check_segment(segment: &Segment) -> Result<()> {
    let address = segment.address;
    ensure!(
        address >= STACK_TOP,
        "the segment at {address:#x} lies below {STACK_TOP:#x}"
    );
    ensure!(segment.size_in_file > 0, "the segment at {address:#x} is empty");
    ensure!(
        segment.size_in_file == segment.size_in_memory,
        "the segment at {address:#x} has zeroed memory (.bss)"
    );
    ensure!(
        address.is_multiple_of(INSTRUCTION),
        "the segment at {address:#x} is not aligned"
    );
    match segment.flags {
        flags if flags == FLAG_READ => {}
        flags if flags == FLAG_READ | FLAG_EXECUTE => {
            ensure!(
                segment.size_in_file.is_multiple_of(INSTRUCTION),
                "the code is no whole number of instructions"
            );
        }
        flags => bail!("the segment at {address:#x} has flags {flags:#b}: only R and R+X are allowed"),
    }
    Ok(())
}

fn load_segments(file: &[u8]) -> Result<Vec<Segment>> {
    let table = u64_at(file, 32)?;
    let count = u16_at(file, 56)?;
    let mut segments = Vec::new();
    for index in 0..u64::from(count) {
        let header = table
            .checked_add(index * PROGRAM_HEADER)
            .context("a program header is out of range")?;
        if u32_at(file, header)? != SEGMENT_LOAD {
            continue;
        }
        segments.push(Segment {
            flags: u32_at(file, header + 4)?,
            address: u64_at(file, header + 16)?,
            size_in_file: u64_at(file, header + 32)?,
            size_in_memory: u64_at(file, header + 40)?,
        });
    }
    Ok(segments)
}

fn end(segment: &Segment) -> Result<u64> {
    segment
        .address
        .checked_add(segment.size_in_memory)
        .context("a segment is out of range")
}

fn bytes_at<const N: usize>(file: &[u8], at: u64) -> Result<[u8; N]> {
    let start = usize::try_from(at).context("an offset is out of range")?;
    let bytes = file.get(start..).and_then(|rest| rest.first_chunk::<N>());
    bytes
        .copied()
        .with_context(|| format!("the file ends before offset {at}"))
}

fn u16_at(file: &[u8], at: u64) -> Result<u16> {
    bytes_at(file, at).map(u16::from_le_bytes)
}

fn u32_at(file: &[u8], at: u64) -> Result<u32> {
    bytes_at(file, at).map(u32::from_le_bytes)
}

fn u64_at(file: &[u8], at: u64) -> Result<u64> {
    bytes_at(file, at).map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Flags, address, size in the file, size in memory.
    type Given = (u32, u64, u64, u64);

    const TEXT: Given = (5, STACK_TOP, 8, 8);
    const RODATA: Given = (4, STACK_TOP + 0x1000, 3, 3);

    /// A file of headers alone.
    fn file(entry: u64, segments: &[Given]) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[..6].copy_from_slice(&CLASS_64_LITTLE_ENDIAN);
        bytes[16..18].copy_from_slice(&TYPE_EXECUTABLE.to_le_bytes());
        bytes[18..20].copy_from_slice(&MACHINE_RISCV.to_le_bytes());
        bytes[24..32].copy_from_slice(&entry.to_le_bytes());
        bytes[32..40].copy_from_slice(&64u64.to_le_bytes());
        bytes[56..58].copy_from_slice(&u16::try_from(segments.len()).unwrap().to_le_bytes());
        for (flags, address, in_file, in_memory) in segments {
            bytes.extend(SEGMENT_LOAD.to_le_bytes());
            bytes.extend(flags.to_le_bytes());
            for field in [0, *address, *address, *in_file, *in_memory, 0x1000] {
                bytes.extend(field.to_le_bytes());
            }
        }
        bytes
    }

    #[test]
    fn code_and_constants_are_accepted() {
        check(&file(STACK_TOP, &[TEXT, RODATA])).unwrap();
    }

    #[test]
    fn each_rule_is_enforced() {
        let cases: [(&str, u64, &[Given]); 10] = [
            ("lies below", STACK_TOP - 4, &[(5, STACK_TOP - 4, 4, 4)]),
            ("is empty", STACK_TOP, &[TEXT, (4, STACK_TOP + 8, 0, 0)]),
            ("zeroed memory", STACK_TOP, &[TEXT, (4, STACK_TOP + 8, 1, 2)]),
            ("not aligned", STACK_TOP, &[TEXT, (4, STACK_TOP + 9, 1, 1)]),
            ("only R and R+X", STACK_TOP, &[TEXT, (6, STACK_TOP + 8, 1, 1)]),
            ("whole number", STACK_TOP, &[(5, STACK_TOP, 6, 6)]),
            ("overlap", STACK_TOP, &[TEXT, (4, STACK_TOP + 4, 1, 1)]),
            ("no executable", STACK_TOP, &[RODATA]),
            ("more than one", STACK_TOP, &[TEXT, (5, STACK_TOP + 8, 4, 4)]),
            ("not in the code", STACK_TOP + 8, &[TEXT]),
        ];
        for (message, entry, segments) in cases {
            let error = check(&file(entry, segments)).unwrap_err().to_string();
            assert!(error.contains(message), "{message}: {error}");
        }
    }

    #[test]
    fn a_file_cut_anywhere_is_an_error() {
        let whole = file(STACK_TOP, &[TEXT]);
        for length in 0..whole.len() - 8 {
            assert!(check(&whole[..length]).is_err(), "accepted {length} bytes");
        }
    }
}
