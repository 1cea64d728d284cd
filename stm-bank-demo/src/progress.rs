//! Tells how far a run is, on standard error.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressStyle};

use crate::options::Progress;

/// Counts scenarios, and names the one that runs.
pub(crate) struct Teller {
    bar: Option<ProgressBar>,
    quiet: bool,
    done: usize,
    all: usize,
    name: String,
}

impl Teller {
    /// For so many scenarios.
    pub(crate) fn new(progress: Progress, all: usize) -> Self {
        let bar = progress == Progress::Auto && io::stderr().is_terminal();
        Self {
            bar: bar.then(|| {
                let style = ProgressStyle::with_template("{spinner} [{pos}/{len}] {msg}");
                ProgressBar::new(all as u64).with_style(style.expect("a template that is right"))
            }),
            quiet: progress == Progress::None,
            done: 0,
            all,
            name: String::new(),
        }
    }

    /// The next scenario begins.
    pub(crate) fn begin(&mut self, name: &str) {
        self.done += 1;
        name.clone_into(&mut self.name);
        match &self.bar {
            Some(bar) => bar.set_position(self.done as u64),
            None if self.quiet => {}
            None => eprintln!("[{}/{}] {name}", self.done, self.all),
        }
    }

    /// A model has its turn.
    pub(crate) fn step(&self, model: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{}: {model}", self.name));
        }
    }

    /// Nothing more comes; the bar makes room.
    pub(crate) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
