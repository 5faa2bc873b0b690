//! One program under test with its folder: settings, data and logs that outlive its process.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use toml::{Table, Value};

use crate::{
    process::{Launch, Process, print_log},
    settings::set,
    wait::wait_until,
};

/// A program that can be started again and again on the same data.
#[derive(Debug)]
pub struct Node {
    name: String,
    program: PathBuf,
    folder: PathBuf,
    settings: Table,
    environment: BTreeMap<String, String>,
    process: Option<Process>,
}

impl Node {
    /// A node whose files are below `folder`: `NAME.toml`, `NAME.log` and `data`. Not started.
    ///
    /// # Panics
    /// When the folder cannot be made.
    pub fn new(name: &str, program: PathBuf, folder: PathBuf) -> Self {
        let data = folder.join("data");
        let temporary = folder.join("tmp");
        for made in [&folder, &temporary] {
            fs::create_dir_all(made).unwrap_or_else(|error| panic!("no folder {}: {error}", made.display()));
        }
        let mut settings = Table::new();
        set(&mut settings, "data_directory", path_text(&data));
        let environment = [("HOME", path_text(&folder)), ("TMPDIR", path_text(&temporary))]
            .map(|(name, value)| (name.to_owned(), value));
        Self {
            name: name.to_owned(),
            program,
            folder,
            settings,
            environment: environment.into(),
            process: None,
        }
    }

    /// Changes a setting (a dotted key) for the starts to come.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) -> &mut Self {
        set(&mut self.settings, key, value);
        self
    }

    /// Sets a variable of the environment for the starts to come; `None` takes it away.
    pub fn variable(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.environment.insert(name.to_owned(), value.to_owned()),
            None => self.environment.remove(name),
        };
        self
    }

    /// Starts the program with `--config` and its settings file.
    ///
    /// # Panics
    /// When it runs already, or cannot be started.
    pub fn start(&mut self) {
        assert!(!self.is_running(), "{} runs already", self.name);
        let config = self.folder.join(format!("{}.toml", self.name));
        fs::write(&config, self.settings.to_string()).unwrap_or_else(|error| panic!("{}: {error}", config.display()));
        let launch = Launch {
            name: self.name.clone(),
            program: self.program.clone(),
            arguments: vec![OsString::from("--config"), config.into()],
            environment: self.environment.clone(),
            folder: self.folder.clone(),
            log: self.log_file(),
        };
        self.process = Some(Process::start(&launch));
    }

    /// Starts the program and waits until it has written the JSON file `name` into its data folder, whose content is
    /// returned. One of an earlier start is removed before.
    ///
    /// # Panics
    /// When it ends before, or takes longer than `bound`.
    pub async fn start_until_written(&mut self, name: &str, bound: Duration) -> serde_json::Value {
        let file = self.data().join(name);
        let _ = fs::remove_file(&file);
        self.start();
        let what = format!("{name} of {}", self.name);
        wait_until(&what, bound, async || {
            if let Ok(text) = fs::read(&file) {
                return serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", file.display()));
            }
            let ended = self.process.as_mut().and_then(Process::ended);
            assert!(
                ended.is_none(),
                "{} ended ({ended:?}) before it wrote {}",
                self.name,
                file.display()
            );
            Err(format!("no {}", file.display()))
        })
        .await
    }

    /// Kills the process alone with SIGKILL and waits for its end.
    ///
    /// # Panics
    /// When it was never started.
    pub fn kill9(&mut self) -> ExitStatus {
        self.process().kill9()
    }

    /// Sends SIGTERM and waits for the end.
    ///
    /// # Panics
    /// When it was never started, or does not end within `bound`.
    pub async fn terminate(&mut self, bound: Duration) -> ExitStatus {
        self.process().terminate(bound).await
    }

    /// Waits until the process ends of itself.
    ///
    /// # Panics
    /// When it was never started, or does not end within `bound`.
    pub async fn wait_for_end(&mut self, bound: Duration) -> ExitStatus {
        self.process().wait_for_end(bound).await
    }

    /// Whether the process runs.
    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| process.ended().is_none())
    }

    /// The process that was started last, ended or not.
    ///
    /// # Panics
    /// When there is none.
    pub fn process(&mut self) -> &mut Process {
        let Self { process, name, .. } = self;
        process.as_mut().unwrap_or_else(|| panic!("{name} was never started"))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder that it keeps its data in.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Everything that it wrote, of all starts.
    pub fn log(&self) -> String {
        fs::read(self.log_file()).map_or_else(|_| String::new(), |log| String::from_utf8_lossy(&log).into_owned())
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.name))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() && self.process.is_some() {
            print_log(&self.log_file());
        }
    }
}

/// A path as settings and variables take it.
///
/// # Panics
/// When it is not UTF-8, which no path of a test is.
fn path_text(path: &Path) -> String {
    path.to_str().expect("folders of tests have names in UTF-8").to_owned()
}
