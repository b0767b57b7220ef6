//! Looks for secrets in every way it knows and writes down what it found.
//!
//! A secret of the test begins with `CANARY-`. Each line of the report is a way and what it led to.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

const NAMES: &[&str] = &[
    ".cargo/credentials.toml",
    ".cargo/credentials",
    ".docker/config.json",
    ".git-credentials",
    ".gitconfig",
    ".netrc",
    ".npmrc",
    ".ssh/id_ed25519",
    ".aws/credentials",
    ".config/gh/hosts.yml",
];

/// Runs every attack and writes the report.
pub fn run(who: &str) {
    let mut r = Report::default();
    environment(&mut r);
    processes(&mut r);
    files(&mut r);
    sockets(&mut r);
    writes(&mut r, who);
    #[cfg(target_os = "linux")]
    linux::run(&mut r, who);
    packages(&mut r);
    let dir = env::var("CARGO_TARGET_DIR").or_else(|_| env::var("OUT_DIR"));
    let path = Path::new(&dir.unwrap_or_else(|_| ".".into())).join(format!("hostile-{who}.txt"));
    let text: String = r.lines.iter().map(|l| format!("{l}\n")).collect();
    fs::write(&path, format!("{text}end\n")).expect("write the report");
}

#[derive(Default)]
struct Report {
    lines: BTreeSet<String>,
}

impl Report {
    fn add(&mut self, way: &str, what: &str) {
        self.lines.insert(format!("{way}: {what}"));
    }

    /// Adds every secret in the bytes and reports whether there was one.
    fn scan(&mut self, way: &str, bytes: &[u8]) -> bool {
        let mark = [b"CANARY".as_slice(), b"-"].concat();
        let mut found = false;
        let mut at = 0;
        while let Some(i) = bytes[at..].windows(mark.len()).position(|w| w == mark) {
            let start = at + i;
            let end = bytes[start..]
                .iter()
                .position(|b| !b.is_ascii_alphanumeric() && *b != b'-')
                .map_or(bytes.len(), |n| start + n);
            if end - start > mark.len() + 8 {
                self.add(way, &String::from_utf8_lossy(&bytes[start..end.min(start + 60)]));
                found = true;
            }
            at = start + mark.len();
        }
        found
    }

    fn scan_file(&mut self, way: &str, path: &Path) {
        let mut bytes = Vec::new();
        if let Ok(f) = fs::File::open(path) {
            let _ = f.take(1 << 20).read_to_end(&mut bytes);
            self.scan(way, &bytes);
        }
    }
}

fn list(name: &str) -> Vec<String> {
    let text = env::var(name).unwrap_or_default();
    text.split('|').filter(|s| !s.is_empty()).map(String::from).collect()
}

fn environment(r: &mut Report) {
    for (name, value) in env::vars() {
        r.scan("environment", format!("{name}={value}").as_bytes());
    }
}

fn pids() -> Vec<String> {
    let Ok(dir) = fs::read_dir("/proc") else { return list("HOSTILE_PIDS") };
    dir.flatten()
        .filter_map(|e| e.file_name().into_string().ok())
        .filter(|n| n.bytes().all(|b| b.is_ascii_digit()))
        .collect()
}

fn processes(r: &mut Report) {
    for pid in pids() {
        let dir = Path::new("/proc").join(&pid);
        if pid == std::process::id().to_string() {
            continue;
        }
        r.scan_file("proc-environ", &dir.join("environ"));
        r.scan_file("proc-cmdline", &dir.join("cmdline"));
        if let Ok(fds) = fs::read_dir(dir.join("fd")) {
            for fd in fds.flatten() {
                // Only plain files: reading a pipe or a terminal would wait.
                if fs::metadata(fd.path()).is_ok_and(|m| m.is_file()) {
                    r.scan_file("proc-fd", &fd.path());
                }
            }
        }
    }
    for pid in list("HOSTILE_PIDS") {
        memory(r, &pid);
    }
}

/// Reads the writable memory of another process until it finds something.
fn memory(r: &mut Report, pid: &str) {
    let Ok(maps) = fs::read_to_string(format!("/proc/{pid}/maps")) else { return };
    let Ok(mut mem) = fs::File::open(format!("/proc/{pid}/mem")) else { return };
    for line in maps.lines().filter(|l| l.contains(" rw-p ")) {
        let range = line.split(' ').next().unwrap_or_default();
        let Some((from, to)) = range.split_once('-') else { continue };
        let (Ok(from), Ok(to)) = (u64::from_str_radix(from, 16), u64::from_str_radix(to, 16)) else { continue };
        let mut bytes = vec![0; (to - from).min(64 << 20) as usize];
        if mem.seek(SeekFrom::Start(from)).is_ok() {
            if let Ok(n) = mem.read(&mut bytes) {
                if r.scan("proc-mem", &bytes[..n]) {
                    return;
                }
            }
        }
    }
}

fn homes() -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = list("HOSTILE_HOMES").into_iter().map(PathBuf::from).collect();
    all.push("/root".into());
    all.extend(env::var_os("HOME").map(PathBuf::from));
    all.extend(fs::read_dir("/home").into_iter().flatten().flatten().map(|e| e.path()));
    all
}

fn files(r: &mut Report) {
    for home in homes() {
        for name in NAMES {
            r.scan_file("home", &home.join(name));
        }
    }
    for path in list("HOSTILE_FILES") {
        r.scan_file("file", Path::new(&path));
    }
    for (name, value) in env::vars().filter(|(n, _)| n.starts_with("GITHUB_")) {
        r.add("github", &name);
        r.scan_file("github", Path::new(&value));
    }
    for path in ["/etc/shadow", "/github/home", "/github/workflow/event.json", "/etc/hostname"] {
        if fs::File::open(path).is_ok() {
            r.add("opened", path);
        }
    }
}

fn sockets(r: &mut Report) {
    let wait = Some(Duration::from_secs(2));
    let mut text = Vec::new();
    for address in list("HOSTILE_TCP") {
        if let Ok(s) = TcpStream::connect(&address) {
            r.add("tcp", "connected");
            let _ = s.set_read_timeout(wait);
            let _ = s.take(4096).read_to_end(&mut text);
        }
    }
    r.scan("tcp", &text);
    for address in list("HOSTILE_UDP") {
        let mut buf = [0; 512];
        let Ok(s) = UdpSocket::bind("127.0.0.1:0") else { continue };
        let _ = s.set_read_timeout(wait);
        if s.send_to(b"hello", &address).is_ok() {
            if let Ok((n, _)) = s.recv_from(&mut buf) {
                r.scan("udp", &buf[..n]);
            }
        }
    }
    #[cfg(unix)]
    for path in list("HOSTILE_UNIX").into_iter().chain(["/var/run/docker.sock".into(), "/run/containerd/containerd.sock".into()]) {
        if let Ok(s) = std::os::unix::net::UnixStream::connect(&path) {
            let mut text = Vec::new();
            let _ = s.set_read_timeout(wait);
            let _ = s.take(4096).read_to_end(&mut text);
            if !r.scan("unix", &text) {
                r.add("unix", &path);
            }
        }
    }
}

fn writes(r: &mut Report, who: &str) {
    for dir in list("HOSTILE_WRITE") {
        if fs::write(Path::new(&dir).join(format!("written-by-{who}")), "x").is_ok() {
            r.add("write", "outside");
        }
    }
    for path in list("HOSTILE_APPEND").into_iter().chain(env::var("GITHUB_ENV")) {
        if let Ok(mut f) = fs::OpenOptions::new().append(true).open(&path) {
            if f.write_all(b"HOSTILE=1\n").is_ok() {
                r.add("append", "outside");
            }
        }
    }
}

/// Changes what is about to be published: the sources of the workspace, finished packages, unpacked siblings.
fn packages(r: &mut Report) {
    let Ok(target) = env::var("CARGO_TARGET_DIR") else { return };
    let zone = Path::new(&target).join("../..");
    for n in 1..4 {
        if fs::write(zone.join(format!("src/{n}/attack/src/lib.rs")), "// changed\n").is_ok() {
            r.add("sources", "changed");
        }
    }
    match env::var("HOSTILE_TAMPER").as_deref() {
        Ok("packages") => tamper_packages(&target),
        Ok("siblings") => tamper_siblings(),
        _ => {}
    }
}

/// Changes finished packages, and leaves a setting that would start a program of ours in the next run of cargo.
fn tamper_packages(target: &str) {
    for dir in ["package", "package/tmp-crate", "../package/package", "../package/package/tmp-crate"] {
        for path in children(&Path::new(target).join(dir)) {
            if path.extension().is_some_and(|x| x == "crate") {
                append(&path, "tampered");
            }
        }
    }
    if let Ok(home) = env::var("CARGO_HOME") {
        let evil = format!("[build]\nrustc-wrapper = \"{home}/evil\"\n");
        let _ = fs::write(Path::new(&home).join("config.toml"), evil);
    }
}

/// Changes the sources that cargo unpacked for the crates that come later.
fn tamper_siblings() {
    let home = env::var("CARGO_HOME").unwrap_or_default();
    for registry in children(&Path::new(&home).join("registry/src")) {
        for package in children(&registry) {
            append(&package.join("src/lib.rs"), "// changed\n");
        }
    }
}

fn children(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect()
}

fn append(path: &Path, text: &str) {
    if let Ok(mut f) = fs::OpenOptions::new().append(true).open(path) {
        let _ = f.write_all(text.as_bytes());
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use super::{list, Report};
    use std::ffi::{c_int, c_long, c_void};
    use std::io::Read;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixStream};
    use std::process::{Command, Stdio};
    use std::time::Duration;

    extern "C" {
        fn ptrace(request: c_long, pid: c_int, addr: *mut c_void, data: *mut c_void) -> c_long;
        fn kill(pid: c_int, signal: c_int) -> c_int;
        fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int;
    }

    const PTRACE_SEIZE: c_long = 0x4206;
    const SIGUSR1: c_int = 10;
    const IPPROTO_MPTCP: c_int = 262;

    pub fn run(r: &mut Report, who: &str) {
        for pid in list("HOSTILE_PIDS").iter().filter_map(|p| p.parse::<c_int>().ok()) {
            // SAFETY: plain system calls with integers and null pointers.
            unsafe {
                if ptrace(PTRACE_SEIZE, pid, std::ptr::null_mut(), std::ptr::null_mut()) == 0 {
                    r.add("ptrace", "attached");
                }
            }
        }
        for pid in list("HOSTILE_SIGNAL").iter().filter_map(|p| p.parse::<c_int>().ok()) {
            // SAFETY: as above.
            if unsafe { kill(pid, SIGUSR1) } == 0 {
                r.add("signal", "sent");
            }
        }
        // SAFETY: as above; the descriptors end with this process.
        unsafe {
            if socket(2, 1, IPPROTO_MPTCP) >= 0 {
                r.add("mptcp", "socket");
            }
            if socket(1, 1, 0) >= 0 {
                r.add("local", "socket");
            }
        }
        for name in list("HOSTILE_ABSTRACT") {
            let Ok(address) = SocketAddr::from_abstract_name(name) else { continue };
            if let Ok(s) = UnixStream::connect_addr(&address) {
                let mut text = Vec::new();
                let _ = s.set_read_timeout(Some(Duration::from_secs(2)));
                let _ = s.take(4096).read_to_end(&mut text);
                r.scan("abstract", &text);
            }
        }
        for seconds in list("HOSTILE_LINGER") {
            let started = Command::new("setsid")
                .args(["sleep", &format!("{seconds}.{}", who.len())])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn();
            if started.is_ok() {
                r.add("linger", "started");
            }
        }
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        for line in status.lines().filter(|l| l.starts_with("CapEff:") && !l.ends_with("\t0000000000000000")) {
            r.add("capabilities", line);
        }
    }
}
