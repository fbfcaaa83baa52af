//! What all tests share: a world of its own for each test, running commands in it, trees and what is in them.

pub mod encrypted;
pub mod heap;
pub mod measure;
pub mod random;
pub mod recording;
pub mod screen;
pub mod trees;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A folder for one test, with the environment that its commands see: roots below the folder, the built tools first in PATH.
pub struct World {
    dir: TempDir,
    env: Vec<(OsString, OsString)>,
}

impl World {
    /// An empty folder below TMPDIR. FILE_ROOT, HEAP_ROOT and SNAP_ROOT are `files`, `heap` and `snap` in it.
    pub fn new() -> World {
        let dir = tempfile::Builder::new().prefix("snapshooter-test-").tempdir().expect("make a folder for the test");
        let tools = Path::new(env!("CARGO_BIN_EXE_snap-scan")).parent().expect("the tools are in a folder");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(tools.to_path_buf()).chain(std::env::split_paths(&path));
        let mut world = World { dir, env: Vec::new() };
        world.set("PATH", std::env::join_paths(path).expect("a PATH without a colon in its folders"));
        for (key, value) in [("TZ", "UTC"), ("LC_ALL", "C.UTF-8"), ("PYTHONDONTWRITEBYTECODE", "1")] {
            world.set(key, value);
        }
        for (key, folder) in [("HOME", "home"), ("TMPDIR", "tmp")] {
            std::fs::create_dir(world.path(folder)).expect("make a folder in the test's folder");
            world.set(key, world.path(folder));
        }
        for (key, folder) in [("FILE_ROOT", "files"), ("HEAP_ROOT", "heap"), ("SNAP_ROOT", "snap")] {
            world.set(key, world.path(folder));
        }
        if encrypted::is_on() {
            world.give_keys();
        }
        world
    }

    /// Gives all commands to come a recipient and its identity.
    pub fn give_keys(&mut self) {
        let (identity, recipient) = encrypted::keys();
        for (key, name, text) in [("HEAP_IDENTITY", "keys/identity", identity), ("HEAP_RECIPIENTS", "keys/recipients", recipient)]
        {
            let path = self.put(name, text);
            self.set(key, path);
        }
    }

    /// A world with one of the trees as its `files`.
    pub fn with(tree: trees::Tree) -> World {
        let world = World::new();
        trees::build(&world.path("files"), tree);
        world
    }

    /// A path in the test's folder.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file in the test's folder.
    pub fn put(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a file is in a folder")).expect(name);
        std::fs::write(&path, content).expect(name);
        path
    }

    /// Sets a variable for the commands to come.
    pub fn set(&mut self, key: &str, value: impl AsRef<OsStr>) {
        self.env.retain(|(k, _)| k != key);
        self.env.push((key.into(), value.as_ref().into()));
    }

    /// Takes a variable away from the commands to come.
    pub fn unset(&mut self, key: &str) {
        self.env.retain(|(k, _)| k != key);
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.env.iter().map(|(k, v)| (k, v))).current_dir(self.dir.path()).stdin(Stdio::null());
        command
    }

    /// Runs a script of bash with `pipefail`.
    pub fn sh(&self, script: &str) -> Done {
        let mut command = self.command("bash");
        command.args(["-c", &format!("set -o pipefail; {script}")]);
        self.done(script.to_string(), command.output().expect("run bash"))
    }

    /// Runs the Python tool with the three roots given. It wants the heap root to be there.
    pub fn py(&mut self, arguments: &str) -> Done {
        self.set("PY", python_tool());
        self.sh(&format!("mkdir -p \"$HEAP_ROOT\"; \"$PY\" --file-root \"$FILE_ROOT\" --heap-root \"$HEAP_ROOT\" --snap-root \"$SNAP_ROOT\" {arguments}"))
    }

    /// Runs a tool with these arguments, and with these bytes as its standard input.
    pub fn run(&self, arguments: &[&str], input: &[u8]) -> Done {
        let input = self.put("tmp/input", input);
        let mut command = self.command(arguments[0]);
        command.args(&arguments[1..]).stdin(std::fs::File::open(&input).expect("open the input"));
        let output = command.output().unwrap_or_else(|e| panic!("run {arguments:?}: {e}"));
        std::fs::remove_file(&input).expect("remove the input");
        self.done(arguments.join(" "), output)
    }

    /// Starts a script of bash in a process group of its own, with its output piped.
    pub fn start(&self, script: &str) -> Child {
        use std::os::unix::process::CommandExt;
        let mut command = self.command("bash");
        command.args(["-c", &format!("set -o pipefail; {script}")]).process_group(0);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("start bash")
    }

    /// What became of a script that was started.
    pub fn finish(&self, script: &str, child: Child) -> Done {
        self.done(script.to_string(), child.wait_with_output().expect("wait for bash"))
    }

    fn done(&self, what: String, output: Output) -> Done {
        Done { what, folder: self.dir.path().to_path_buf(), output }
    }

    /// The paths of files below a folder of the world, sorted; none if there is no folder.
    pub fn files_below(&self, folder: &str) -> Vec<PathBuf> {
        let all = walkdir::WalkDir::new(self.path(folder)).sort_by_file_name().into_iter().filter_map(Result::ok);
        all.filter(|e| !e.file_type().is_dir()).map(walkdir::DirEntry::into_path).collect()
    }

    /// Waits until what was made in the world is old enough that a tool may trust its times.
    pub fn settle(&self) {
        std::fs::write(self.path("tmp/now"), "").expect("write a file");
        let made = std::fs::metadata(self.path("tmp/now")).and_then(|m| m.modified()).expect("the time of a file");
        wait_for("two seconds to pass", || made.elapsed().is_ok_and(|age| age > Duration::from_millis(2100)));
    }
}

/// Waits until something is so; panics after a minute.
pub fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(60), "waited a minute for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A command that ended. Shown with all that is known of it, for the message of a failed test.
pub struct Done {
    what: String,
    folder: PathBuf,
    output: Output,
}

impl Done {
    /// Asserts status 0.
    #[track_caller]
    pub fn ok(self) -> Done {
        self.status(0)
    }

    /// Asserts this status.
    #[track_caller]
    pub fn status(self, status: i32) -> Done {
        assert!(self.code() == Some(status), "expected status {status}{self}");
        self
    }

    /// The status, or None if a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.output.status.code()
    }

    /// What stdout has, as text.
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    /// What stdout has.
    pub fn bytes(&self) -> &[u8] {
        &self.output.stdout
    }

    /// What stderr has, as text.
    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    /// The lines of stdout.
    pub fn lines(&self) -> Vec<String> {
        self.out().lines().map(str::to_string).collect()
    }

    /// Asserts what stdout has.
    #[track_caller]
    pub fn says(self, expected: &str) -> Done {
        assert!(self.out() == expected, "expected on stdout:\n{expected}{self}");
        self
    }

    /// Asserts that stderr is empty.
    #[track_caller]
    pub fn silent(self) -> Done {
        assert!(self.output.stderr.is_empty(), "expected nothing on stderr{self}");
        self
    }

    /// Asserts that stderr holds this.
    #[track_caller]
    pub fn complains(self, part: &str) -> Done {
        assert!(self.err().contains(part), "expected on stderr: {part}{self}");
        self
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (out, err) = (self.out(), self.err());
        write!(f, "\ncommand: {}\nfolder: {}\n{}", self.what, self.folder.display(), self.output.status)?;
        write!(f, "\nstdout:\n{}\nstderr:\n{err}", out.chars().take(4000).collect::<String>())
    }
}

/// The Python tool that our files are exchanged with. There is no test without it.
pub fn python_tool() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/snapshooter");
    let path = std::env::var_os("SNAPSHOOTER_PYTHON_BIN").map_or_else(beside, PathBuf::from);
    assert!(path.is_file(), "the Python tool is not at {}: run `make test`, which installs it", path.display());
    path
}

/// A path in `tests/data`.
pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}
