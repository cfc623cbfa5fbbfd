//! What a column holds, as far as its name, its table's name and its type tell.

use querygate_mask::{FieldType, Kind as Type};

use super::{
    kind::Kind,
    words::{ends, has_any, is, words},
};

/// How values are written, as far as names need to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Bytes,
    Date,
    Json,
    Network,
    Number,
    Other,
    Point,
    Text,
}

impl Form {
    /// That of a type; of an array, that of its elements.
    pub fn of(field_type: &FieldType) -> Form {
        match &field_type.base().kind {
            Type::Array { element, .. } => Form::of(element),
            Type::Bpchar | Type::Text => Form::Text,
            Type::Bytea => Form::Bytes,
            Type::Cidr | Type::Inet => Form::Network,
            Type::Date | Type::Timestamp | Type::Timestamptz => Form::Date,
            Type::Float4 | Type::Float8 | Type::Int2 | Type::Int4 | Type::Int8 | Type::Money | Type::Numeric => {
                Form::Number
            }
            Type::Json | Type::Jsonb => Form::Json,
            Type::Whole(whole) if whole.is_geometric() => Form::Point,
            _ => Form::Other,
        }
    }
}

/// Last words of what is about a thing and not the thing: `email_verified`, `phone_type`.
const ABOUT: &str = "active, allowed, attempts, category, class, confirmed, count, digest, enabled, expires, flag, format, \
    frequency, host, id, ids, kind, label, length, level, limit, locale, mode, name, opt, order, out, policy, \
    port, position, preference, prefix, required, sent, size, sort, source, status, subject, template, total, \
    type, valid, verified, version, at, on, by, in, strength, algorithm, provider, method, length, expiry, \
    changed";

/// Words of tables that hold people.
const PEOPLE: &str = "applicant, applicants, attendee, attendees, author, authors, buyer, buyers, candidate, candidates, client, \
    clients, contact, contacts, customer, customers, donor, donors, driver, drivers, employee, employees, guest, \
    guests, lead, leads, member, members, parent, parents, participant, participants, passenger, passengers, \
    patient, patients, people, person, persons, profile, profiles, prospect, prospects, recipient, recipients, \
    seller, sellers, staff, student, students, subscriber, subscribers, teacher, teachers, user, users, visitor, \
    visitors, worker, workers";

/// Last words of tables that only sort people.
const SORTS: &str = "badge, badges, categories, category, field, fields, group, groups, list, lists, option, options, permission, \
    permissions, role, roles, segment, segments, setting, settings, source, sources, stage, stages, status, \
    statuses, tag, tags, template, templates, type, types";

/// Last words of tables that say more of one person each.
const DETAILS: &str = "data, detail, details, entity, info, profile, profiles, record, records";

/// Words of tables that are about programs and firms, whatever else they are called.
const IMPERSONAL: &str = "api, app, application, brand, company, oauth, shop, site, store, stores, vendor, web hook, web hooks, \
    webhook, webhooks";

/// Words of tables in which an address is somebody's.
const ADDRESSES: &str = "address, addresses, billing, shipping, order, orders, delivery, deliveries, invoice, invoices, account, \
    accounts";

/// Words of tables in which people write.
const WRITINGS: &str = "activities, activity, call, calls, case, cases, chat, comment, comments, conversation, conversations, email, \
    emails, feedback, message, messages, meeting, meetings, note, notes, post, posts, reply, replies, review, \
    reviews, task, tasks, ticket, tickets";

/// What the column's name says of it; none where it names nothing personal.
pub fn kind(table: &str, column: &str, form: Form) -> Option<Kind> {
    let (table, column) = (words(table), words(column));
    let place = Place::new(&table);
    let text = matches!(form, Form::Text | Form::Json);
    let found = match form {
        Form::Network => Some(Kind::Ip),
        Form::Point if place.people || place.addresses => Some(Kind::Location),
        Form::Date if has_any(&column, "birth, born") => Some(Kind::Birth),
        Form::Number => number(&column, place),
        Form::Bytes => bytes(&column, place),
        _ if text => secret(&table, &column)
            .or_else(|| identity(&column))
            .or_else(|| name(&table, &column, place))
            .or_else(|| address(&column, place))
            .or_else(|| traits(&column, place)),
        _ => None,
    };
    found.or_else(|| free(&column, place).filter(|_| text))
}

/// What kind of table it is.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// It says something of people.
    people: bool,
    /// Each row is a person.
    persons: bool,
    /// An address in it is somebody's.
    addresses: bool,
    /// Its rows are addresses.
    lines: bool,
    /// People write in it.
    writings: bool,
    /// It only sorts things.
    sorts: bool,
    /// It is about programs and firms.
    impersonal: bool,
}

impl Place {
    fn new(table: &[String]) -> Place {
        let (sorts, impersonal) = (ends(table, SORTS), has_any(table, IMPERSONAL));
        let people = !sorts && !impersonal && has_any(table, PEOPLE);
        Place {
            people,
            persons: people && (ends(table, PEOPLE) || ends(table, DETAILS)),
            addresses: !sorts && (people || has_any(table, ADDRESSES)),
            lines: has_any(table, "address"),
            writings: !sorts && has_any(table, WRITINGS),
            sorts,
            impersonal,
        }
    }
}

fn secret(table: &[String], column: &[String]) -> Option<Kind> {
    let named = has_any(
        column,
        "password, secret, token, api key, access key, auth key, private key, key hash, truncated key, user hash, \
    salt, otp, recovery code, backup code, backup codes, recovery codes, security answer, confirmation code, \
    activation key, reset key, reset code, session key, invite key, invitation key, pin, credential, \
    credentials, passphrase, client key, webhook key",
    );
    let factor = has_any(table, "second factor, second factors, two factor, mfa, totp, otp");
    let kept = factor && has_any(column, "data, code, codes, value");
    let about = (ends(column, ABOUT) || ends(column, "question")) && !ends(column, "digest");
    ((named || kept) && !about).then_some(Kind::Secret)
}

/// Numbers and addresses that are somebody's in whatever table they stand.
fn identity(column: &[String]) -> Option<Kind> {
    let about = ends(column, ABOUT);
    let named = |phrases: &str| has_any(column, phrases);
    if named("ip address, ip, ips, remote address, remote host, client address") && !about {
        return Some(Kind::Ip);
    }
    let sent = named("from address, to address, cc address, bcc address, reply to address, reply to");
    let other = "template, body, domain, text, html, server, signature, raw, smtp, user, password";
    if sent && !about || named("email, e email") && !about && !named(other) {
        return Some(Kind::Email);
    }
    if named("phone, mobile, fax, tel, cell, msisdn, whatsapp, sms number") && !about && !ends(column, "extension") {
        return Some(Kind::Phone);
    }
    if named("birth, born") && !named("place of birth, birth place") {
        return Some(Kind::Birth);
    }
    if named(
        "ssn, social security, national id, national identification, passport, tax id, tax number, vat id, vat \
    number, taxvat, tin, driver license, driving licence, drivers license, license number, nin, nino, cpf, \
    personal number, identity number, id number, insurance number, policy number, document number, citizen id",
    ) {
        return Some(Kind::NationalId);
    }
    let account = named(
        "iban, bic, swift, account number, bank account, routing number, sort code, card number, credit card, cc \
    number, cc last, last digits, pan, cvv, cvc, payment account, paypal, masked number",
    );
    let holder = named("cc owner, card holder, cardholder, account holder, name on card");
    let told = ends(column, "type, id, brand, name") || named("response, result");
    (account && !told || holder).then_some(Kind::Bank)
}

/// Names of people.
fn name(table: &[String], column: &[String], place: Place) -> Option<Kind> {
    let named = |phrases: &str| has_any(column, phrases);
    let about = ends(column, "id, ids, type");
    let own = "first name, last name, given name, family name, middle name, maiden name, nick name, user name, login name, \
    screen name, contact name, customer name, person name, author name, sender name, recipient name, guest name, \
    real name, billing name, shipping name, client name, employee name, patient name, assistant name, reports to \
    name, poster name, from name, to name, mother name, father name, spouse name, user login, smtp user, \
    patronymic, initials, comment author, emergency contact, referred by, holder name, refered by, external name";
    let shared = "full name, display name, legal name, name lower";
    if (named(own) && !about && !ends(table, "template, templates"))
        || (named(shared) && !about && !place.sorts && !place.impersonal)
    {
        return Some(Kind::Name);
    }
    let alone = |names: &str| is(column, names);
    let cards = has_any(table, "credit card, credit cards, payment card, payment cards, bank account, bank accounts");
    let signed =
        !place.sorts && has_any(table, "review, reviews, comment, comments, testimonial, testimonials, guestbook");
    let found = (place.persons && alone("name, login, nick, handle, assistant"))
        || ((cards || signed) && alone("name, author"));
    found.then_some(Kind::Name)
}

fn address(column: &[String], place: Place) -> Option<Kind> {
    let named = |phrases: &str| has_any(column, phrases);
    let part = "street, city, postal code, zip, suburb, district, house number, building, apartment, address line, address, \
    county, locality";
    let own = "street, postal code, billing address, shipping address, home address, mailing address";
    // A whole country or state is no address.
    let about = ends(
        column,
        "id, ids, type, status, verified, default, count, country, state, region, province, required, label",
    );
    let found = (place.addresses && named(part)) || (place.lines && named("line, lines")) || named(own);
    (found && !about && !named("site address, web address")).then_some(Kind::Address)
}

/// What else is personal: what people are, and where they are found.
fn traits(column: &[String], place: Place) -> Option<Kind> {
    let named = |phrases: &str| has_any(column, phrases);
    if named(
        "gender, sex, religion, ethnicity, race, nationality, marital status, diagnosis, blood type, disability, \
    orientation, political, allergies, medical, health, citizenship, place of birth, birth place",
    ) && !ends(column, "id, ids")
    {
        return Some(Kind::Sensitive);
    }
    let trace = "user agent, device id, advertising id, fingerprint, cookie, browser, geoip, push endpoint, avatar url, photo \
    url, picture url, gravatar";
    if named(trace) && !named("template") {
        return Some(Kind::Online);
    }
    let elsewhere = "twitter, facebook, linkedin, instagram, skype, github, icq, aim, yahoo, jabber, telegram, google id, xmpp, \
    messenger id, discord";
    if named(elsewhere) && !place.impersonal && !ends(column, "enabled, count, app, template") {
        return Some(Kind::Online);
    }
    let shown = "avatar, photo, picture, website, web site, homepage, signature, profile url";
    let link = place.persons && is(column, "url, image, user url");
    if place.people && (named(shown) || link) && !ends(column, "id, type, template") {
        return Some(Kind::Online);
    }
    let signed = place.writings && column.join(" ") == "location" && !place.sorts;
    ((place.people && named("location")) || signed || coordinates(column, place)).then_some(Kind::Location)
}

fn number(column: &[String], place: Place) -> Option<Kind> {
    let named = |phrases: &str| has_any(column, phrases);
    if named("salary, wage, income, net worth, compensation, pay rate, hourly rate, annual pay") {
        return Some(Kind::Income);
    }
    if coordinates(column, place) {
        return Some(Kind::Location);
    }
    if named("birth, born") || (place.people && column.join(" ") == "age") {
        return Some(Kind::Birth);
    }
    identity(column).filter(|kind| matches!(kind, Kind::Bank | Kind::NationalId | Kind::Phone))
}

fn coordinates(column: &[String], place: Place) -> bool {
    let named = has_any(column, "latitude, longitude, lat, lng, lon");
    named && (place.addresses || has_any(column, "home"))
}

fn bytes(column: &[String], place: Place) -> Option<Kind> {
    let picture = place.people && has_any(column, "photo, picture, avatar, image, signature, fingerprint");
    picture.then_some(Kind::Online).or_else(|| secret(&[], column))
}

/// Texts in which people write of people.
fn free(column: &[String], place: Place) -> Option<Kind> {
    let named = |phrases: &str| has_any(column, phrases);
    let remark = named(
        "note, notes, remark, remarks, comment, comments, bio, about me, about, biography, special instructions, \
    feedback, memo",
    );
    let writing = named("body, content, text, raw, cooked, html, transcript, description, reply, review");
    let machine = "error, rejection, response, status, validation, commit, flash, system, version, hash, sha, source \
    description";
    let message = named("message, messages") && !place.sorts;
    let found = (remark && !place.sorts && !place.impersonal)
        || (writing && place.writings)
        || message
        || (place.persons && column.join(" ") == "description");
    let about = ends(column, ABOUT) && !named("raw");
    (found && !about && !named(machine)).then_some(Kind::FreeText)
}
