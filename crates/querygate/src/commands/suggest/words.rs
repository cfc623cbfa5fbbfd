//! What the names of tables and columns say, word by word.

/// The words of a name in lower case: `billingAddress2`, `BILLING-ADDRESS` and `billing_address` have the words `billing` and `address`. Words
/// that are often written together are taken apart.
pub fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before = ' ';
    for character in name.chars() {
        let begins = !before.is_alphanumeric()
            || (character.is_uppercase() && before.is_lowercase())
            || before.is_numeric() != character.is_numeric();
        if character.is_alphanumeric() {
            if begins {
                words.push(String::new());
            }
            words.iter_mut().last().into_iter().for_each(|word| word.extend(character.to_lowercase()));
        }
        before = character;
    }
    words.into_iter().filter(|word| !word.chars().all(char::is_numeric)).flat_map(|word| apart(&word)).collect()
}

fn apart(word: &str) -> Vec<String> {
    match TOGETHER.iter().find(|(together, _)| *together == word) {
        Some((_, parts)) => parts.split(' ').map(str::to_owned).collect(),
        None => vec![word.to_owned()],
    }
}

/// Whether these words stand in a row somewhere among the others.
pub fn has(words: &[String], phrase: &str) -> bool {
    let parts: Vec<&str> = phrase.split(' ').collect();
    words.windows(parts.len()).any(|window| window.iter().map(String::as_str).eq(parts.iter().copied()))
}

/// Whether any of these phrases, with commas between them, stands among the words.
pub fn has_any(words: &[String], phrases: &str) -> bool {
    phrases.split(", ").any(|phrase| has(words, phrase))
}

/// Whether the last word is one of these.
pub fn ends(words: &[String], last: &str) -> bool {
    words.last().is_some_and(|word| last.split(", ").any(|other| other == word))
}

/// Whether the words are one of these phrases, and no more.
pub fn is(words: &[String], phrases: &str) -> bool {
    let whole = words.join(" ");
    phrases.split(", ").any(|phrase| phrase == whole)
}

const TOGETHER: &[(&str, &str)] = &[
    ("accesstoken", "access token"),
    ("addr", "address"),
    ("addresses", "address"),
    ("addrs", "address"),
    ("apikey", "api key"),
    ("authkey", "auth key"),
    ("authtoken", "auth token"),
    ("birthdate", "birth date"),
    ("birthday", "birth date"),
    ("cardnumber", "card number"),
    ("cellphone", "cell phone"),
    ("dateofbirth", "date of birth"),
    ("displayname", "display name"),
    ("dob", "birth date"),
    ("emailaddress", "email address"),
    ("emails", "email"),
    ("familyname", "family name"),
    ("firstname", "first name"),
    ("fname", "first name"),
    ("forename", "first name"),
    ("fullname", "full name"),
    ("givenname", "given name"),
    ("ipaddress", "ip address"),
    ("lastname", "last name"),
    ("lname", "last name"),
    ("loginid", "login id"),
    ("loginname", "login name"),
    ("mail", "email"),
    ("middlename", "middle name"),
    ("mobilephone", "mobile phone"),
    ("nickname", "nick name"),
    ("pass", "password"),
    ("passwd", "password"),
    ("passwordhash", "password hash"),
    ("phonenumber", "phone number"),
    ("phones", "phone"),
    ("postalcode", "postal code"),
    ("postcode", "postal code"),
    ("pwd", "password"),
    ("sendtype", "send type"),
    ("smtppass", "smtp password"),
    ("smtpport", "smtp port"),
    ("smtpserver", "smtp server"),
    ("smtpuser", "smtp user"),
    ("surname", "last name"),
    ("telephone", "phone"),
    ("useragent", "user agent"),
    ("username", "user name"),
    ("workphone", "work phone"),
    ("zipcode", "postal code"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fall_into_the_same_words_however_they_are_written() {
        for name in ["billing_address_2", "billingAddress2", "BillingAddress", "BILLING-ADDRESS", "billing addr"] {
            assert_eq!(words(name), ["billing", "address"], "{name}");
        }
        assert_eq!(words("EMAIL"), ["email"]);
        assert_eq!(words("passwordhash"), ["password", "hash"]);
        assert_eq!(words("__"), Vec::<String>::new());
        let name = words("customer_first_name");
        assert!(
            has(&name, "first name")
                && !has(&name, "name first")
                && ends(&name, "nick, name")
                && is(&name, "customer first name")
        );
    }
}
