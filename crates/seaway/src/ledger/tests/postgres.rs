//! A throw-away PostgreSQL, made of the binaries that are installed. It needs nothing but `std`.
//!
//! It listens on a socket in a folder of its own and on no port. A watchdog, a shell that reads
//! from a pipe until this process is gone, stops it and removes the folder, however the tests end.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// The user of the database.
const USER: &str = "seaway";

/// A running server.
pub(crate) struct Cluster {
    binaries: PathBuf,
    folder: PathBuf,
    /// Stops the server when its input ends: when this is dropped, or this process ends.
    watchdog: Child,
    databases: AtomicU32,
}

impl Cluster {
    /// Starts one. `None`, with a word about it, where no PostgreSQL is installed.
    pub(crate) fn start() -> Option<Self> {
        let Some(binaries) = binaries() else {
            let required = std::env::var("SEAWAY_REQUIRE").is_ok_and(|it| it == "all");
            assert!(!required, "there is no PostgreSQL in /usr/lib/postgresql or on the path");
            eprintln!("skipped: there is no PostgreSQL in /usr/lib/postgresql or on the path");
            return None;
        };
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        // The path of a socket has at most 107 bytes, so the folder is not a deep one.
        let folder =
            std::env::temp_dir().join(format!("seaway-pg-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
        if is_root() {
            let (user, group) = nobody();
            std::os::unix::fs::chown(&folder, Some(user), Some(group)).unwrap();
        }
        let watchdog = watchdog(&binaries, &folder);
        let cluster = Self { binaries, folder, watchdog, databases: AtomicU32::new(0) };
        let data = cluster.folder.join("data").display().to_string();
        cluster.run("initdb", &["-D", &data, "-U", USER, "-A", "trust", "-E", "UTF8", "-N"]);
        cluster.run("pg_ctl", &cluster.control(&["start", "-w"]));
        Some(cluster)
    }

    /// Makes a database and gives its URL.
    pub(crate) fn database(&self) -> String {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.run("createdb", &["-h", &self.folder.display().to_string(), "-U", USER, &name]);
        let socket = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres:///{name}?host={socket}&user={USER}")
    }

    /// Kills it as a power cut would, and starts it again.
    pub(crate) fn restart(&self) {
        self.stop();
        self.begin();
    }

    /// Kills it as a power cut would.
    pub(crate) fn stop(&self) {
        self.run("pg_ctl", &self.control(&["stop", "-m", "immediate", "-w"]));
    }

    /// Starts it again.
    pub(crate) fn begin(&self) {
        self.run("pg_ctl", &self.control(&["start", "-w"]));
    }

    /// Arguments of `pg_ctl` for this cluster.
    fn control(&self, verb: &[&str]) -> Vec<String> {
        let folder = self.folder.display().to_string();
        let options =
            format!("-k {folder} -c listen_addresses= -c fsync=off -c max_connections=200");
        let more =
            ["-D", &format!("{folder}/data"), "-l", &format!("{folder}/log"), "-o", &options];
        verb.iter().chain(&more).map(|&it| it.to_owned()).collect()
    }

    fn run(&self, program: &str, arguments: &[impl AsRef<std::ffi::OsStr>]) {
        let mut command = as_nobody(&self.binaries.join(program));
        command.args(arguments).current_dir(&self.folder).stdin(Stdio::null());
        // `pg_ctl start` leaves the server with its output, so a pipe would never end.
        let output = self.folder.join(format!("{program}.out"));
        let file = std::fs::File::create(&output).unwrap();
        command.stdout(file.try_clone().unwrap()).stderr(file);
        let status = command.status().unwrap();
        let told = || std::fs::read_to_string(&output).unwrap_or_default();
        assert!(status.success(), "{program}: {status}\n{}", told());
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
    }
}

/// Waits for the end of its input, stops the server and removes the folder.
fn watchdog(binaries: &Path, folder: &Path) -> Child {
    let script = "trap '' INT TERM HUP; cat > /dev/null; \
                  \"$1/pg_ctl\" stop -m immediate -w -D \"$2/data\" > /dev/null 2>&1; \
                  rm -rf \"$2\"";
    as_nobody(Path::new("/bin/sh"))
        .args(["-c", script, "watchdog"])
        .args([binaries, folder])
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// PostgreSQL does not run as root.
fn as_nobody(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let (user, group) = nobody();
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={user}"), &format!("--regid={group}"), "--clear-groups"]);
    command.arg("--").arg(program);
    command
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|it| it.uid() == 0)
}

/// User and group of nobody.
fn nobody() -> (u32, u32) {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let line = users.lines().find(|line| line.starts_with("nobody:")).unwrap_or("nobody:");
    let number = |field: usize| line.split(':').nth(field)?.parse().ok();
    (number(2).unwrap_or(65534), number(3).unwrap_or(65534))
}

/// The folder with the programs of the newest PostgreSQL.
fn binaries() -> Option<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|it| Some((it.file_name().to_str()?.parse().ok()?, it.path().join("bin"))))
        .collect();
    found.sort();
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&on_path).collect::<Vec<_>>().into_iter();
    let all = found.into_iter().rev().map(|(_, folder)| folder).chain(on_path);
    all.into_iter().find(|it| it.join("initdb").is_file() && it.join("pg_ctl").is_file())
}
