//! Secrets on their way in: from a file, standard input or a prompt, never from an argument, which every user of the machine can read.

use std::{
    fs::File,
    io::{self, IsTerminal, Read},
    path::{Path, PathBuf},
};

use clap::Args;
use querygate_console::api::Secret;
use querygate_identity::SecretString;
use zeroize::Zeroizing;

use super::Failure;

/// Longest file or line that may hold a secret or a verifier of one, in bytes.
const SECRET_BYTES_MAX: u64 = 4096;

/// Who acts, for commands that act as somebody.
#[derive(Debug, Args)]
pub struct Acting {
    /// The account that you act as.
    #[arg(long, env = "QUERYGATE_ACCOUNT", value_name = "NAME")]
    account: String,
    /// A file with its secret; "-" is standard input. Asked for when left out.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

impl Acting {
    /// The account and its secret.
    pub fn credentials(self) -> Result<(String, Secret), Failure> {
        let secret = match self.secret_file {
            Some(path) => from_file(&path)?,
            None => from_prompt(&self.account)?,
        };
        Ok((self.account, secret))
    }
}

/// The secret in a file, without its final line break; "-" is standard input.
pub fn from_file(path: &Path) -> Result<Secret, Failure> {
    let unreadable = |e: io::Error| {
        Failure::wrong(format!(
            "the secret in {} can't be read: {e}\ncheck the path and its permissions",
            path.display()
        ))
    };
    let mut text = Zeroizing::new(String::new());
    if path == Path::new("-") {
        io::stdin().lock().take(SECRET_BYTES_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
    } else {
        let file = File::open(path).map_err(unreadable)?;
        file.take(SECRET_BYTES_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
    }
    checked(&text, &path.display().to_string())
}

fn from_prompt(account: &str) -> Result<Secret, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::wrong(
            "nobody is there to type the secret\ngive it with --secret-file (\"-\" is standard input)",
        ));
    }
    let typed = rpassword::prompt_password(format!("Secret of {account}: "));
    let typed = Zeroizing::new(typed.map_err(|e| Failure::wrong(format!("the secret can't be asked for: {e}")))?);
    checked(&typed, "what was typed")
}

fn checked(text: &str, origin: &str) -> Result<Secret, Failure> {
    let line = text.strip_suffix('\n').unwrap_or(text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() || text.len() as u64 > SECRET_BYTES_MAX {
        return Err(Failure::wrong(format!(
            "{origin} is empty or too long for a secret\nwrite the secret alone into it"
        )));
    }
    Ok(Secret::from(SecretString::from(line)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_what_stands_before_the_final_line_break() {
        assert_eq!(checked("a secret\r\n", "x").unwrap().expose(), "a secret");
        assert_eq!(checked(" a secret ", "x").unwrap().expose(), " a secret ");
    }

    #[test]
    fn an_empty_or_endless_secret_is_refused_by_its_origin() {
        for text in ["", "\n", &"x".repeat(5000)] {
            let Err(Failure::Wrong(words)) = checked(text, "the-file") else { panic!("{text:?} was taken") };
            assert!(words.contains("the-file"), "{words}");
        }
    }
}
