//! What a random client sends.

use crate::server::Message;

/// SplitMix64: small, seeded, the same everywhere.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len() as u64) as usize]
    }
}

struct Writer<'a> {
    random: &'a mut Random,
    id: u64,
    script: Vec<Message>,
}

/// Messages at the end of each script.
pub const ENDING: usize = 3;

pub fn script(random: &mut Random) -> Vec<Message> {
    let length = 1 + random.below(8);
    let mut writer = Writer { random, id: 0, script: Vec::new() };
    for _ in 0..length {
        if writer.random.one_in(3) { writer.query() } else { writer.pipeline() }
    }
    let mut script = writer.script;
    // Whatever is open ends, so that every reply can be compared.
    script.extend([Message::CopyFail, Message::Sync, Message::Query("9999 read 1".to_owned())]);
    script
}

impl Writer<'_> {
    fn statement(&mut self) -> String {
        let number = self.random.below(4);
        match self.random.below(22) {
            0..=2 => format!("read {number}"),
            3..=5 => format!("secret {number}"),
            6..=9 => format!("write {}", self.id * 10 + number),
            10 | 11 => "begin".to_owned(),
            12 => "commit".to_owned(),
            13 => "rollback".to_owned(),
            14 => format!("set {number}"),
            15 => "copyin".to_owned(),
            16 => "copyout".to_owned(),
            17 => "fail".to_owned(),
            20 | 21 => format!("define {}", self.id * 10 + number),
            18 => format!("prepare q{} {} {number}", self.random.below(2), self.random.pick(&["read", "secret"])),
            _ if number == 0 => format!("deallocate q{}", self.random.below(2)),
            _ => format!("execute q{}", self.random.below(2)),
        }
    }

    fn text(&mut self, many: bool) -> String {
        self.id += 1;
        let mark = self.random.pick(&["", "", "", "", "", "", "!", "?"]);
        let mut parts = vec![self.statement()];
        // Where one statement changes what another means, the analysis refuses the text.
        let alone = |s: &str| ["set", "roll", "prep", "exec", "deal", "define"].iter().any(|w| s.starts_with(w));
        while many && self.random.one_in(2) && !parts.iter().any(|p| alone(p)) {
            let next = self.statement();
            if alone(&next) {
                break;
            }
            parts.push(next);
        }
        format!("{}{mark} {}", self.id, parts.join(";"))
    }

    fn query(&mut self) {
        let text = self.text(true);
        let copies = text.matches("copyin").count();
        self.script.push(Message::Query(text));
        for _ in 0..copies {
            self.copy_data();
        }
    }

    fn copy_data(&mut self) {
        if self.random.one_in(20) {
            return;
        }
        for _ in 0..self.random.below(3) {
            self.script.push(Message::CopyData);
        }
        self.script.push(if self.random.one_in(5) { Message::CopyFail } else { Message::CopyDone });
    }

    fn pipeline(&mut self) {
        for _ in 0..=self.random.below(3) {
            self.step();
        }
        if !self.random.one_in(8) {
            self.script.push(Message::Sync);
        }
    }

    fn step(&mut self) {
        let name = self.random.pick(&["", "", "", "s"]).to_owned();
        let portal = self.random.pick(&["", "", "", "c"]).to_owned();
        match self.random.below(12) {
            0 => self.script.push(Message::Close { portal: self.random.one_in(2), name }),
            1 => self.script.push(Message::Describe { portal: self.random.one_in(2), name }),
            2 => self.script.push(Message::Flush),
            3 => self.script.push(Message::Execute { portal, max: 1 }),
            4 => self.script.push(Message::Bind { portal, statement: name }),
            _ => self.whole(name, portal),
        }
    }

    fn whole(&mut self, name: String, portal: String) {
        let text = self.text(false);
        let copies = text.contains("copyin");
        self.script.push(Message::Parse { name: name.clone(), text });
        if self.random.one_in(3) {
            self.script.push(Message::Describe { portal: false, name: name.clone() });
        }
        if self.random.one_in(8) {
            return;
        }
        self.script.push(Message::Bind { portal: portal.clone(), statement: name });
        let max = if self.random.one_in(3) { 1 } else { 0 };
        self.script.push(Message::Execute { portal: portal.clone(), max });
        if copies {
            if self.random.one_in(2) {
                self.script.push(Message::Sync);
            }
            self.copy_data();
        }
        if self.random.one_in(3) {
            self.script.push(Message::Close { portal: true, name: portal });
        }
    }
}
