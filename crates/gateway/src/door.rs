//! How many connections of one address may be on their way in, and how log-ins that fail are slowed down.
//!
//! Both bounds belong to an address, so that whoever guesses or floods from one keeps nobody at another from logging in. A guesser is slowed
//! by the account that it tries, and, much later, as a whole: others behind the same address (NAT) wait longer at worst.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher as _,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// Addresses that are remembered; beyond it those without a connection on its way in are forgotten.
const SOURCES_MAX: usize = 16 * 1024;
/// Connections of one address beyond its bound that are still told why they are turned away.
const CROWDED_MAX: usize = 16;
/// Accounts of one address whose failures are counted apart; more are counted with the address alone.
const ACCOUNTS_MAX: usize = 64;
/// Failures are forgotten this long after the last one.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(300);
/// Time between two attempts on one account once its free failures are used up; doubles with each failure.
const STEP: Duration = Duration::from_millis(250);
/// Longest time between two attempts on one account.
const STEP_MAX: Duration = Duration::from_secs(8);
/// Time between two attempts from one address, for all accounts, once its free failures are used up.
const ADDRESS_STEP: Duration = Duration::from_millis(100);
/// An address has this many times as many free failures as an account.
const ADDRESS_FACTOR: u32 = 10;
/// Longest wait for an attempt's turn; longer ones are refused.
pub const TURN_MAX: Duration = Duration::from_secs(20);

/// The door of a gateway.
#[derive(Debug)]
pub struct Door {
    sources: Mutex<HashMap<IpAddr, Source>>,
    /// Connections of one address that are on their way in, at one time.
    pending_max: usize,
    /// Failures of one account from one address that cost nothing.
    free: u32,
    names: RandomState,
}

#[derive(Debug, Default)]
struct Source {
    pending: usize,
    all: Meter,
    /// By a hash of the name: names are the client's, and long if it likes.
    accounts: HashMap<u64, Meter>,
}

/// Failures, and when the next attempt may begin.
#[derive(Clone, Copy, Debug, Default)]
struct Meter {
    failures: u32,
    last: Option<Instant>,
    next: Option<Instant>,
}

impl Meter {
    fn is_forgotten(&self, now: Instant) -> bool {
        self.last.is_none_or(|last| now.duration_since(last) > FORGOTTEN_AFTER)
    }

    fn fail(&mut self, now: Instant) {
        if self.is_forgotten(now) {
            *self = Meter::default();
        }
        self.failures = self.failures.saturating_add(1);
        self.last = Some(now);
    }

    /// When an attempt may begin; the next one comes `step` later.
    fn turn(&mut self, now: Instant, step: impl FnOnce(u32) -> Option<Duration>) -> Instant {
        if self.is_forgotten(now) {
            *self = Meter::default();
        }
        let Some(step) = step(self.failures) else { return now };
        let begins = self.next.map_or(now, |next| next.max(now));
        if begins.duration_since(now) <= TURN_MAX {
            self.next = Some(begins + step);
        }
        begins
    }
}

/// A connection on its way in, until it is dropped.
#[derive(Debug)]
pub struct Pending {
    door: Arc<Door>,
    source: IpAddr,
    /// The address has more of them than it may: this one may only be told so, or cancel a statement.
    pub crowded: bool,
}

impl Door {
    /// A door that lets `pending_max` connections of one address be on their way in, and forgives `free` failures of an account.
    pub fn new(pending_max: usize, free: u32) -> Door {
        Door { sources: Mutex::default(), pending_max, free, names: RandomState::new() }
    }

    /// A place on the way in; none where the address has so many that not even that is said.
    pub fn enter(self: &Arc<Door>, address: IpAddr) -> Option<Pending> {
        let source = network(address);
        let mut sources = self.sources.lock();
        if sources.len() >= SOURCES_MAX {
            let now = Instant::now();
            sources.retain(|_, s| s.pending > 0 || !s.all.is_forgotten(now));
        }
        if sources.len() >= SOURCES_MAX {
            sources.retain(|_, s| s.pending > 0);
        }
        let known = sources.entry(source).or_default();
        let crowded = known.pending >= self.pending_max;
        if known.pending >= self.pending_max.saturating_add(CROWDED_MAX) {
            return None;
        }
        known.pending += 1;
        Some(Pending { door: self.clone(), source, crowded })
    }
}

impl Pending {
    /// How long an attempt on this account must wait for its turn; none where its turn is too far away.
    pub fn turn(&self, account: &str, now: Instant) -> Option<Duration> {
        let free = self.door.free;
        let mut sources = self.door.sources.lock();
        let Some(source) = sources.get_mut(&self.source) else { return Some(Duration::ZERO) };
        let by_address =
            source.all.turn(now, |failures| (failures >= free.saturating_mul(ADDRESS_FACTOR)).then_some(ADDRESS_STEP));
        let by_account = match source.accounts.get_mut(&self.door.names.hash_one(account)) {
            Some(meter) => meter.turn(now, |failures| {
                let beyond = failures.checked_sub(free)?;
                Some(STEP.saturating_mul(2_u32.saturating_pow(beyond)).min(STEP_MAX))
            }),
            None => now,
        };
        let wait = by_address.max(by_account).duration_since(now);
        (wait <= TURN_MAX).then_some(wait)
    }

    /// Notes that an attempt on this account failed.
    pub fn failed(&self, account: &str, now: Instant) {
        let account = self.door.names.hash_one(account);
        let mut sources = self.door.sources.lock();
        let Some(source) = sources.get_mut(&self.source) else { return };
        source.all.fail(now);
        if source.accounts.len() >= ACCOUNTS_MAX {
            source.accounts.retain(|_, meter| !meter.is_forgotten(now));
        }
        if source.accounts.len() < ACCOUNTS_MAX || source.accounts.contains_key(&account) {
            source.accounts.entry(account).or_default().fail(now);
        }
    }

    /// Notes that an attempt on this account succeeded: its owner is there, and mistyped before at worst.
    pub fn succeeded(&self, account: &str) {
        if let Some(source) = self.door.sources.lock().get_mut(&self.source) {
            source.accounts.remove(&self.door.names.hash_one(account));
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let mut sources = self.door.sources.lock();
        if let Some(source) = sources.get_mut(&self.source) {
            source.pending -= 1;
            if source.pending == 0 && source.all.last.is_none() {
                sources.remove(&self.source);
            }
        }
    }
}

/// What counts as one address: an IPv4 address, or the /64 network that one IPv6 host has to itself.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn door(pending: usize, free: u32) -> Arc<Door> {
        Arc::new(Door::new(pending, free))
    }

    #[test]
    fn an_address_has_so_many_places_on_the_way_in_and_no_more() {
        let door = door(2, 3);
        let crowded = |address| door.enter(address).map(|pending| pending.crowded);
        let first = door.enter(HERE).unwrap();
        let _second = door.enter(HERE).unwrap();
        assert_eq!((first.crowded, crowded(HERE)), (false, Some(true)));
        assert_eq!(crowded(THERE), Some(false), "another address has its own");
        let told: Vec<_> = (0..CROWDED_MAX).map(|_| door.enter(HERE).unwrap()).collect();
        assert_eq!(crowded(HERE), None);
        drop((first, told));
        assert_eq!(crowded(HERE), Some(false));
    }

    #[test]
    fn a_host_of_ipv6_is_one_address_whatever_it_calls_itself() {
        let door = door(1, 3);
        let _first = door.enter("2001:db8::1".parse().unwrap()).unwrap();
        let crowded = |address: &str| door.enter(address.parse().unwrap()).unwrap().crowded;
        assert!(crowded("2001:db8::2"));
        assert!(!crowded("2001:db8:0:1::2"));
        let _mapped = door.enter("::ffff:192.0.2.1".parse().unwrap()).unwrap();
        assert!(crowded("192.0.2.1"));
    }

    #[test]
    fn failures_slow_down_their_account_at_their_address_and_nobody_else() {
        let (door, now) = (door(10, 3), Instant::now());
        let (here, there) = (door.enter(HERE).unwrap(), door.enter(THERE).unwrap());
        for _ in 0..3 {
            assert_eq!(here.turn("agent", now), Some(Duration::ZERO));
            here.failed("agent", now);
        }
        assert_eq!(here.turn("agent", now), Some(Duration::ZERO));
        assert_eq!(here.turn("agent", now), Some(STEP), "two at once take turns");
        here.failed("agent", now);
        assert_eq!(here.turn("agent", now), Some(STEP * 2));
        assert_eq!(here.turn("agent", now), Some(STEP * 4), "further apart with each failure");
        assert_eq!(here.turn("other", now), Some(Duration::ZERO));
        assert_eq!(there.turn("agent", now), Some(Duration::ZERO));
    }

    #[test]
    fn a_turn_that_is_too_far_away_is_refused_and_the_past_is_forgotten() {
        let (door, mut now) = (door(10, 0), Instant::now());
        let here = door.enter(HERE).unwrap();
        (0..40).for_each(|_| here.failed("agent", now));
        let waits: Vec<_> = std::iter::from_fn(|| here.turn("agent", now)).take(100).collect();
        assert!(waits.len() < 10 && waits.iter().all(|wait| *wait <= TURN_MAX), "{waits:?}");
        now += FORGOTTEN_AFTER + Duration::from_secs(1);
        assert_eq!(here.turn("agent", now), Some(Duration::ZERO));
        here.failed("agent", now);
        here.succeeded("agent");
        assert_eq!(here.turn("agent", now).unwrap(), Duration::ZERO);
    }

    #[test]
    fn many_accounts_tried_from_one_address_slow_down_that_address() {
        let (door, now) = (door(10, 1), Instant::now());
        let (here, there) = (door.enter(HERE).unwrap(), door.enter(THERE).unwrap());
        for n in 0..200 {
            here.failed(&format!("account {n}"), now);
        }
        here.turn("fresh", now);
        assert_eq!(here.turn("fresh", now), Some(ADDRESS_STEP));
        assert_eq!(there.turn("fresh", now), Some(Duration::ZERO));
        assert!(door.sources.lock()[&HERE].accounts.len() <= ACCOUNTS_MAX);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (door, now) = (door(1, 3), Instant::now());
        for n in 0..u32::try_from(SOURCES_MAX).unwrap() + 10 {
            door.enter(IpAddr::V4(n.into())).unwrap().failed("agent", now);
        }
        assert!(door.sources.lock().len() <= SOURCES_MAX);
    }
}
