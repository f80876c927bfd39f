//! The command line. Every flag is an environment variable too, `INTERLOCK_` and its name, because
//! MCP clients configure servers by either.

use crate::extension;
use crate::gate::Unpaired;
use crate::state::StateDir;
use clap::builder::{NonEmptyStringValueParser, Resettable};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use protocol::EXTENSION_ID;
use protocol::ports::PortRange;
use std::error::Error as _;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;

/// What seed 000's clients call an instance's name.
const MCP_INSTANCE_ID: &str = "MCP_INSTANCE_ID";
/// What a variable takes that takes any text.
const UTF_8: &str = "UTF-8";

/// Lets MCP clients share the user's own Chrome. Without a command: an MCP server on stdio.
#[derive(Debug, Parser)]
#[command(name = "interlock", version)]
pub struct Cli {
    /// What the server does; none of it matters to the other commands.
    #[command(flatten)]
    pub serve: Serve,
    /// Folder of the secret, the registry and the identities; the system's own place without
    #[arg(long, global = true, env = "INTERLOCK_STATE_DIR", value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Ports that servers take first, 8765-8775 without; the 89 after them when all are taken
    #[arg(long, global = true, env = "INTERLOCK_PORT_RANGE", value_name = "A-B",
          value_parser = read_range)]
    pub port_range: Option<PortRange>,
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Do>,
}

/// Options of the server.
#[derive(Debug, Args)]
pub struct Serve {
    /// Listen on exactly this port
    #[arg(long, env = "INTERLOCK_PORT", value_name = "N", value_parser = read_port)]
    pub port: Option<u16>,
    /// Name of this instance: restarted under it, it keeps its tabs for five minutes
    /// [env: MCP_INSTANCE_ID too]
    #[arg(long, env = "INTERLOCK_INSTANCE_ID", value_name = "ID")]
    pub instance_id: Option<String>,
    /// What people see in the browser; {folder} and {branch} are filled in
    #[arg(long, env = "INTERLOCK_LABEL", value_name = "TEXT", value_parser = words())]
    pub label: Option<String>,
    /// Only use the browser of this name
    #[arg(long, env = "INTERLOCK_BROWSER", value_name = "NAME", value_parser = words())]
    pub browser: Option<String>,
    /// Folders that tools may write into, besides the working folder; a comma between them
    #[arg(long, env = "INTERLOCK_ROOTS", value_name = "DIR", num_args = 1.., value_delimiter = ',')]
    pub roots: Vec<PathBuf>,
    /// Let in an extension that proves nothing: the one of this id, or without one a program that
    /// is no browser
    #[arg(long, env = "INTERLOCK_ALLOW_UNPAIRED", value_name = "EXTENSION-ID", num_args = 0..=1,
          default_missing_value = NO_ID, value_parser = read_unpaired)]
    pub allow_unpaired: Option<Unpaired>,
    /// Write the log to this file instead of stderr
    #[arg(long, env = "INTERLOCK_LOG_FILE", value_name = "FILE")]
    pub log_file: Option<PathBuf>,
}

/// The other commands.
#[derive(Debug, Subcommand)]
pub enum Do {
    /// Write the extension, paired with this user's servers, for Chrome to load unpacked
    Extension {
        /// Folder to write; loaded again by Chrome's reload button
        folder: PathBuf,
        /// Write only pairing.json and config.json into a folder that holds the extension
        #[arg(long)]
        pair_only: bool,
        /// Ports on which it lets in a server that proves nothing, with a comma between them, or
        /// none; they stay as they are without
        #[arg(long, value_name = "PORT,…", value_parser = read_ports)]
        allow_unpaired: Option<UnpairedPorts>,
    },
    /// The secret that servers and extension share
    Pair {
        /// Make a new one and drop every connection; pair the extension's folder again afterwards
        #[arg(long, required = true)]
        rotate: bool,
    },
}

/// Ports of servers that prove nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnpairedPorts(pub Vec<u16>);

/// What stands for a program, which has no id.
const NO_ID: &str = "program";

fn read_unpaired(text: &str) -> Result<Unpaired, String> {
    if text == NO_ID {
        return Ok(Unpaired::Program);
    }
    if text == EXTENSION_ID {
        return Err("another extension's id; Interlock's own is paired".into());
    }
    let is_id =
        text.len() == EXTENSION_ID.len() && text.bytes().all(|b| (b'a'..=b'p').contains(&b));
    let words = || format!("an extension's id, which has 32 letters from a to p, or {NO_ID}");
    is_id
        .then(|| Unpaired::Extension(text.to_owned()))
        .ok_or_else(words)
}

fn read_ports(text: &str) -> Result<UnpairedPorts, String> {
    if text == "none" {
        return Ok(UnpairedPorts(Vec::new()));
    }
    let ports: Result<Vec<u16>, String> = text.split(',').map(read_port).collect();
    let words = |_| "ports with a comma between them, such as 8770,8771, or none".into();
    ports.map(UnpairedPorts).map_err(words)
}

fn read_port(text: &str) -> Result<u16, String> {
    // Those below are the system's.
    let port = text.parse().ok().filter(|port| *port >= 1024);
    port.ok_or_else(|| "a port from 1024 to 65535".into())
}

fn read_range(text: &str) -> Result<PortRange, String> {
    PortRange::parse(text).ok_or_else(|| "two ports from 1024 on, such as 8765-8775".into())
}

fn words() -> NonEmptyStringValueParser {
    NonEmptyStringValueParser::new()
}

impl Cli {
    /// Reads the command line and the variables of this process. A variable that is set to nothing
    /// is not set: clients fill in what they do not know so. Ends the process, with words for the
    /// user, when it cannot be understood; a variable that the command does not use is not looked at.
    #[must_use]
    pub fn read() -> Self {
        // What is wrong with a variable is told once the command is known: clap would fail them all.
        let command = Self::command().mut_args(|arg| {
            let value = value_of(&arg);
            if value.is_some_and(|value| value.is_empty() || allowed(&arg, &value).is_err()) {
                arg.env(Resettable::Reset)
            } else {
                arg
            }
        });
        let matches = command.get_matches();
        let cli = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        if let Some(what) = cli.wrong_variable(&matches) {
            Self::command().error(ErrorKind::InvalidValue, what).exit()
        }
        cli
    }

    /// What is wrong with a variable that this command uses, and for which no flag stands.
    fn wrong_variable(&self, matches: &ArgMatches) -> Option<String> {
        let command = Self::command();
        let wrong = command.get_arguments().find_map(|arg| {
            let id = arg.get_id().as_str();
            if !self.uses(id) || matches.value_source(id) == Some(ValueSource::CommandLine) {
                return None;
            }
            let value = value_of(arg).filter(|value| !value.is_empty())?;
            let allowed = allowed(arg, &value).err()?;
            let name = arg.get_env()?.to_string_lossy();
            Some(wrong_words(&name, &value, &allowed))
        });
        wrong.or_else(|| {
            let asked = self.command.is_none() && self.serve.instance_id.is_none();
            let value = std::env::var_os(MCP_INSTANCE_ID).filter(|_| asked)?;
            let unread = value.to_str().is_none();
            unread.then(|| wrong_words(MCP_INSTANCE_ID, &value, UTF_8))
        })
    }

    /// Whether the command makes use of the option with this id.
    fn uses(&self, id: &str) -> bool {
        match &self.command {
            None => true,
            Some(Do::Extension { .. }) => ["state_dir", "port_range"].contains(&id),
            Some(Do::Pair { .. }) => id == "state_dir",
        }
    }
}

/// The value of its variable.
fn value_of(arg: &Arg) -> Option<OsString> {
    arg.get_env().and_then(std::env::var_os)
}

/// Whether it takes this value; the error says what it takes.
fn allowed(arg: &Arg, value: &OsStr) -> Result<(), String> {
    let Some(long) = arg.get_long() else {
        return Ok(());
    };
    let mut word = OsString::from(format!("--{long}="));
    word.push(value);
    let alone = clap::Command::new("").no_binary_name(true).arg(arg);
    let Err(error) = alone.try_get_matches_from([word]) else {
        return Ok(());
    };
    Err(match (error.kind(), error.source()) {
        (ErrorKind::InvalidUtf8, _) => UTF_8.into(),
        (_, Some(why)) => why.to_string(),
        // Whole values that are empty do not come here: only a list has empty parts.
        (_, None) => "folders with a comma between them".into(),
    })
}

fn wrong_words(name: &str, value: &OsStr, allowed: &str) -> String {
    let value = value.to_string_lossy();
    format!("the environment variable {name} is {value:?}; it takes {allowed}\n")
}

impl Serve {
    /// The instance's name, from the flag or either variable; an empty one is none.
    #[must_use]
    pub fn instance_id(&self) -> Option<String> {
        let named = self.instance_id.clone();
        named
            .or_else(|| std::env::var(MCP_INSTANCE_ID).ok())
            .filter(|id| !id.is_empty())
    }
}

impl Do {
    /// Does it and gives the words for the user. Without a `range` a folder of the extension keeps
    /// the one it has.
    ///
    /// # Errors
    /// For ports that cannot be and of the file system, in words for the user.
    pub fn run(&self, state: &StateDir, range: Option<PortRange>) -> io::Result<String> {
        match self {
            Self::Extension {
                folder,
                pair_only: true,
                allow_unpaired,
            } => {
                let ports = extension::pair(folder, state, &wanted(range, allow_unpaired))?;
                let then = match ports {
                    extension::Ports::Same => "",
                    extension::Ports::Changed => {
                        " Its ports have changed: reload the extension in Chrome."
                    }
                };
                Ok(format!("Paired {}.{then}", folder.display()))
            }
            Self::Extension {
                folder,
                pair_only: false,
                allow_unpaired,
            } => {
                let wanted = wanted(range, allow_unpaired);
                extension::write(folder, extension::bundle(), state, &wanted)?;
                Ok(format!(
                    "Wrote {}. In chrome://extensions switch on developer mode and load it unpacked.",
                    folder.display()
                ))
            }
            Self::Pair { rotate: _ } => {
                state.rotate_secret()?;
                Ok(
                    "Made a new secret. Now run `interlock extension DIR --pair-only` for the \
                    extension's folder."
                        .into(),
                )
            }
        }
    }
}

fn wanted(range: Option<PortRange>, allow: &Option<UnpairedPorts>) -> extension::Wanted {
    extension::Wanted {
        range,
        allow_unpaired: allow.as_ref().map(|ports| ports.0.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound_and_every_flag_has_its_variable() {
        Cli::command().debug_assert();
        for arg in Cli::command().get_arguments() {
            let Some(long) = arg
                .get_long()
                .filter(|long| !["help", "version"].contains(long))
            else {
                continue;
            };
            let variable = format!("INTERLOCK_{}", long.to_uppercase().replace('-', "_"));
            assert_eq!(arg.get_env().and_then(|env| env.to_str()), Some(&*variable));
        }
    }

    #[test]
    fn the_manual_names_every_option_and_no_other() {
        let manual = include_str!("../../README.md");
        let rows = manual.lines().filter_map(|line| line.strip_prefix("| `--"));
        let mut told: Vec<&str> = rows
            .filter_map(|row| row.split([' ', '`']).next())
            .collect();
        let command = Cli::command();
        let mut known: Vec<&str> = command
            .get_arguments()
            .filter_map(Arg::get_long)
            .filter(|long| !["help", "version"].contains(long))
            .collect();
        told.sort_unstable();
        known.sort_unstable();
        assert_eq!(told, known);
        for long in known {
            let variable = long.to_uppercase().replace('-', "_");
            assert!(
                manual.contains(&format!("`INTERLOCK_{variable}`")),
                "{long}"
            );
        }
    }

    #[test]
    fn the_words_of_the_manual_are_understood() {
        let read = |words: &str| Cli::try_parse_from(words.split(' ')).unwrap();
        let serve = read("interlock --port 9000 --label {folder} --instance-id a").serve;
        assert_eq!(
            (serve.port, serve.instance_id()),
            (Some(9000), Some("a".into()))
        );
        let other = "abcdefghijklmnopabcdefghijklmnop";
        for (words, expected) in [
            ("interlock", None),
            ("interlock --allow-unpaired", Some(Unpaired::Program)),
            (
                "interlock --allow-unpaired abcdefghijklmnopabcdefghijklmnop --port 9000",
                Some(Unpaired::Extension(other.into())),
            ),
        ] {
            assert_eq!(read(words).serve.allow_unpaired, expected, "{words}");
        }
        let cli = read("interlock extension dist/extension --port-range 17000-17010");
        assert_eq!(cli.port_range, PortRange::new(17_000, 17_010));
        assert!(matches!(
            cli.command,
            Some(Do::Extension {
                pair_only: false,
                ..
            })
        ));
        for (words, expected) in [("8770,8771", vec![8770, 8771]), ("none", vec![])] {
            let cli = read(&format!("interlock extension d --allow-unpaired {words}"));
            let Some(Do::Extension { allow_unpaired, .. }) = cli.command else {
                panic!("{words}");
            };
            assert_eq!(allow_unpaired, Some(UnpairedPorts(expected)));
        }
        let cli = read("interlock pair --rotate --state-dir /s");
        assert!(matches!(cli.command, Some(Do::Pair { rotate: true })));
        for bad in [
            "interlock --port 80",
            "interlock --port-range 9-1",
            "interlock pair",
            "interlock --allow-unpaired pccggijclfpjeomnfodccfggcnkogjdg",
            "interlock --allow-unpaired https://example.com",
            "interlock extension d --allow-unpaired 80",
            "interlock extension d --allow-unpaired 8770,",
        ] {
            assert!(Cli::try_parse_from(bad.split(' ')).is_err(), "{bad}");
        }
    }
}
