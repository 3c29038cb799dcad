//! Contract 4, payouts, naively: what has accrued, what of it was asked for, and what became of that.

/// What became of a payout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payout {
    /// Asked for.
    Pending,
    /// Paid out; final.
    Done,
    /// Due again; final.
    Cancelled,
}

/// One referrer's rewards and payouts, in minor units.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Purse {
    accrued: i64,
    payouts: Vec<(i64, Payout)>,
}

impl Purse {
    /// A payment of somebody they referred accrued so much.
    pub fn accrue(&mut self, reward: i64) {
        self.accrued += reward;
    }

    /// Rewards accrued less payouts.
    pub fn balance(&self) -> i64 {
        self.accrued - self.sum(|became| became != Payout::Cancelled)
    }

    /// Paid out.
    pub fn received(&self) -> i64 {
        self.sum(|became| became == Payout::Done)
    }

    /// Takes the whole balance, at least `min`; how much that was.
    pub fn ask(&mut self, min: i64) -> Option<i64> {
        let due = self.balance();
        (due > 0 && due >= min).then(|| {
            self.payouts.push((due, Payout::Pending));
            due
        })
    }

    /// Says what became of the payout with this number, counted from 0; false where that was said before,
    /// or there is none.
    pub fn close(&mut self, number: usize, became: Payout) -> bool {
        match self.payouts.get_mut(number) {
            Some((_, state)) if *state == Payout::Pending => {
                *state = became;
                true
            }
            _ => false,
        }
    }

    fn sum(&self, counts: impl Fn(Payout) -> bool) -> i64 {
        self.payouts.iter().filter(|(_, became)| counts(*became)).map(|(amount, _)| amount).sum()
    }
}
