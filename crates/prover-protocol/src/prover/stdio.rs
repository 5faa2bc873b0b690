//! Keeps the host's pipes to ourselves: proving libraries print to stdout, and a stray line there would end the
//! conversation.

use std::{
    fs::File,
    io,
    os::fd::{AsFd as _, BorrowedFd},
};

/// First number for a duplicated descriptor: above the three standard ones.
const FIRST_FREE_FD: i32 = 3;

/// The two pipes to the host.
#[derive(Debug)]
pub(super) struct HostPipes {
    pub(super) from_host: File,
    pub(super) to_host: File,
}

/// Takes stdin and stdout away from the rest of the process: from now on everything that is printed to stdout goes to
/// stderr, and reading stdin finds its end.
pub(super) fn take() -> io::Result<HostPipes> {
    let from_host = duplicate(io::stdin().as_fd())?;
    let to_host = duplicate(io::stdout().as_fd())?;
    rustix::stdio::dup2_stdout(io::stderr())?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok(HostPipes { from_host, to_host })
}

fn duplicate(fd: BorrowedFd<'_>) -> io::Result<File> {
    Ok(rustix::io::fcntl_dupfd_cloexec(fd, FIRST_FREE_FD)?.into())
}
