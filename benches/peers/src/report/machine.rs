//! What the figures were taken on: nothing that names the machine, its owner or a place on it.

use std::process::Command;

/// Where the system tells of its processors.
const PROCESSORS: &str = "/proc/cpuinfo";
/// Where it tells of its memory.
const MEMORY: &str = "/proc/meminfo";

/// A description for those who want to compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The processor's model.
    pub processor: String,
    /// How many threads run at once.
    pub cores: usize,
    /// Memory, rounded.
    pub memory_gib: u64,
    /// Which compiler, without its commit.
    pub compiler: String,
}

impl Machine {
    /// This one. What the system does not tell is said to be unknown.
    pub fn this() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        Self {
            processor: processor(&read(PROCESSORS)),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: memory_gib(&read(MEMORY)),
            compiler: compiler(),
        }
    }
}

fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(key))?;
    line.split_once(':').map(|(_, value)| value.trim())
}

fn processor(cpuinfo: &str) -> String {
    let name = value(cpuinfo, "model name").unwrap_or("unknown processor");
    let numbers = ["cpu family", "model\t"].map(|key| value(cpuinfo, key));
    match numbers {
        [Some(family), Some(model)] => format!("{name} (family {family}, model {model})"),
        _ => name.to_owned(),
    }
}

fn memory_gib(meminfo: &str) -> u64 {
    let kilobytes = value(meminfo, "MemTotal").and_then(|text| text.strip_suffix(" kB"));
    let kilobytes: u64 = kilobytes.and_then(|n| n.parse().ok()).unwrap_or(0);
    (kilobytes + (1 << 19)) >> 20
}

fn compiler() -> String {
    let output = Command::new("rustc").arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let text = text.unwrap_or_default();
    let mut words = text.split_whitespace();
    match (words.next(), words.next()) {
        (Some(name), Some(version)) => format!("{name} {version}"),
        _ => "unknown compiler".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::watched;

    #[test]
    fn a_processor_has_its_name_and_numbers() {
        watched("a_processor_has_its_name_and_numbers", || {
            let text =
                "processor\t: 0\ncpu family\t: 26\nmodel\t\t: 2\nmodel name\t: Example CPU\n";
            assert_eq!(processor(text), "Example CPU (family 26, model 2)");
            assert_eq!(processor(""), "unknown processor");
        });
    }

    #[test]
    fn memory_is_rounded() {
        watched("memory_is_rounded", || {
            assert_eq!(memory_gib("MemTotal:       24950000 kB\n"), 24);
            assert_eq!(memory_gib("nothing"), 0);
        });
    }
}
