use querygate_identity::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A secret on its way between the command line and the gateway. Wiped when dropped, and never printed for debugging.
#[derive(Clone, Debug)]
pub struct Secret(SecretString);

impl From<SecretString> for Secret {
    fn from(secret: SecretString) -> Secret {
        Secret(secret)
    }
}

impl From<Secret> for SecretString {
    fn from(secret: Secret) -> SecretString {
        secret.0
    }
}

impl Secret {
    /// The secret itself.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.expose())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Secret, D::Error> {
        String::deserialize(from).map(|text| Secret(SecretString::from(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_travels_but_is_not_printed() {
        let secret: Secret = serde_json::from_str("\"hunter2!\"").unwrap();
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"hunter2!\"");
        assert!(!format!("{secret:?}").contains("hunter2"));
    }
}
