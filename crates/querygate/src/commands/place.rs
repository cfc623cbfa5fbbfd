//! Where a command finds the gateway: the data folder, the control socket in it, and threads to talk over it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use querygate_console::{
    ControlClient,
    api::{Call, Kind},
    client::ClientError,
    printable,
};
use querygate_policy::document::{Problems, Reader, Source};
use tokio::runtime::Runtime;

use super::Failure;

/// The gateway's data folder, and what it takes to speak with the gateway that runs there.
#[derive(Debug)]
pub struct Place {
    /// The data folder.
    pub data: PathBuf,
    client: ControlClient,
    runtime: Runtime,
}

impl Place {
    /// The place that a configuration names. Reads nothing else of it: whoever asks for the log need not have the passwords of the databases.
    pub fn find(config: &Path) -> Result<Place, Failure> {
        let data = data_dir(config)?;
        Ok(Place { client: ControlClient::new(&data), data, runtime: runtime()? })
    }

    /// Asks the running gateway.
    pub fn call<C: Call>(&self, call: &C) -> Result<C::Answer, Failure> {
        self.runtime.block_on(self.client.call(call)).map_err(Failure::from)
    }

    /// Asks the running gateway; none where none runs.
    pub fn call_if_running<C: Call>(&self, call: &C) -> Result<Option<C::Answer>, Failure> {
        match self.runtime.block_on(self.client.call(call)) {
            Ok(answer) => Ok(Some(answer)),
            Err(ClientError::NotRunning { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The folder of the log.
    pub fn log(&self) -> PathBuf {
        self.data.join("log")
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        // Parts of it were written by whoever sent a statement.
        let words = printable(&format!("{error}\n{}", error.remedy())).into_owned();
        match error {
            ClientError::Refused(refusal) if !matches!(refusal.kind, Kind::Input | Kind::Internal) => {
                Failure::No(words)
            }
            _ => Failure::Wrong(words),
        }
    }
}

/// Threads for a command that waits for answers.
pub fn runtime() -> Result<Runtime, Failure> {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    built.map_err(|e| Failure::wrong(format!("this process can't wait for answers: {e}")))
}

fn data_dir(config: &Path) -> Result<PathBuf, Failure> {
    let source = Source::open(config).map_err(|problem| {
        let mut problems = Problems::default();
        problems.push(problem);
        problems
    })?;
    let reader = Reader::new(Arc::new(source));
    let written = reader.read(|mut top| top.required("data_dir", "\"/var/lib/querygate\"").and_then(|v| v.string()));
    match written {
        Some(written) => Ok(config.parent().unwrap_or(Path::new(".")).join(&*written)),
        None => Err(reader.problems().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_folder_is_found_without_the_secrets_that_the_rest_of_the_file_wants() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("querygate.toml");
        std::fs::write(&file, "data_dir = \"data\"\n[[database]]\npassword = { env = \"SURELY_NOT_SET\" }\n").unwrap();
        assert_eq!(data_dir(&file).unwrap(), folder.path().join("data"));
    }

    #[test]
    fn a_file_without_a_data_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("querygate.toml");
        std::fs::write(&file, "policies = \"policies\"\n").unwrap();
        let Err(Failure::Wrong(words)) = data_dir(&file) else { panic!("it was found") };
        assert!(words.contains("querygate.toml") && words.contains("data_dir"), "{words}");
    }
}
