//! Codes with what came by them, and partners with their keys: lists for the dashboard. Read only.
use super::{Param, Row, Store, StoreError};
use crate::domain::Micros;

/// By what a list of codes is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Most clicks first.
    Clicks,
    /// Most signups first.
    Signups,
    /// What something came by last first.
    Last,
    /// By code.
    Code,
    /// By the referrer's e-mail.
    Email,
}

impl Sort {
    /// All, with their names.
    pub const ALL: [(Self, &str); 5] = [
        (Self::Clicks, "clicks"),
        (Self::Signups, "signups"),
        (Self::Last, "last"),
        (Self::Code, "code"),
        (Self::Email, "email"),
    ];

    /// The code is no other's, so that every order is whole.
    const fn order(self) -> &'static str {
        match self {
            Self::Clicks => "clicks DESC, code",
            Self::Signups => "signups DESC, code",
            Self::Last => "last_day DESC, code",
            Self::Code => "code",
            Self::Email => "email_key, code",
        }
    }
}

/// A code and what came by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrer {
    /// The code.
    pub code: String,
    /// Whose it is; none: a user's own, who came without an address.
    pub email: Option<String>,
    /// The user whose own it is; none: it was registered.
    pub user_hash: Option<String>,
    /// The programme that it names.
    pub program_id: Option<i64>,
    /// Clicks that count.
    pub clicks: i64,
    /// Signups that came with it.
    pub signups: i64,
    /// The last day that has a record.
    pub last: Option<String>,
}

/// The codes of a domain, registered ones and users' own that something came by.
const CODES: &str = "(SELECT code, email, email_key, NULL AS user_hash, program_id FROM code \
    WHERE domain_id = {?} UNION ALL \
    SELECT a.code, a.email, a.email_key, a.user_hash, NULL AS program_id FROM account a \
    WHERE a.domain_id = {?} AND EXISTS (SELECT 1 FROM daily_record r \
    WHERE r.domain_id = a.domain_id AND r.code = a.code)) k";

/// What came by each.
const SUMS: &str = "LEFT JOIN (SELECT code, SUM(clicks) AS clicks, MAX(day) AS last_day \
    FROM daily_record WHERE domain_id = {?} GROUP BY code) c ON c.code = k.code \
    LEFT JOIN (SELECT code, COUNT(*) AS signups FROM daily_signup \
    WHERE domain_id = {?} GROUP BY code) s ON s.code = k.code";

const COLUMNS: &str = "SELECT k.code AS code, k.email AS email, k.email_key AS email_key, \
    k.user_hash AS user_hash, k.program_id AS program_id, \
    {as int COALESCE(c.clicks, 0)} AS clicks, {as int COALESCE(s.signups, 0)} AS signups, \
    COALESCE(c.last_day, '') AS last_day";

/// Those that have this text, or whose referrer's address has it; empty: all.
fn condition(search: &str) -> (&'static str, Vec<Param<'_>>) {
    if search.is_empty() {
        return ("1 = 1", Vec::new());
    }
    let params = vec![search.into(), pattern(search).into()];
    ("(k.code = {?} OR k.email_key LIKE {?} ESCAPE '!')", params)
}

/// What has this text, in any case of letters, as addresses are kept.
fn pattern(search: &str) -> String {
    let mut pattern = String::from("%");
    for c in search.to_lowercase().chars() {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern + "%"
}

/// A page of a domain's codes, and how many there are in all.
pub async fn codes(
    store: &Store,
    domain_id: i64,
    search: &str,
    sort: Sort,
    limit: i64,
    offset: i64,
) -> Result<(Vec<Referrer>, i64), StoreError> {
    let (condition, wanted) = condition(search);
    let count = format!("SELECT COUNT(*) AS total FROM {CODES} WHERE {condition}");
    let whose = |times: usize| vec![Param::from(domain_id); times].into_iter();
    let params = whose(2).chain(wanted.clone()).collect();
    let total = store.one(&count, params).await?.map_or(Ok(0), |row| row.int("total"))?;
    let order = sort.order();
    let list = format!(
        "{COLUMNS} FROM {CODES} {SUMS} WHERE {condition} ORDER BY {order} LIMIT {{?}} OFFSET {{?}}"
    );
    let params = whose(4).chain(wanted).chain([limit.into(), offset.into()]).collect();
    let rows = store.all(&list, None, params).await?;
    Ok((rows.iter().map(referrer).collect::<Result<_, _>>()?, total))
}

fn referrer(row: &Row) -> Result<Referrer, StoreError> {
    Ok(Referrer {
        code: row.text("code")?,
        email: row.text_or_null("email")?,
        user_hash: row.text_or_null("user_hash")?,
        program_id: row.int_or_null("program_id")?,
        clicks: row.int("clicks")?,
        signups: row.int("signups")?,
        last: row.text_or_null("last_day")?.filter(|day| !day.is_empty()),
    })
}

/// The code, if it is the domain's.
pub async fn code(
    store: &Store,
    domain_id: i64,
    code: &str,
) -> Result<Option<Referrer>, StoreError> {
    let one =
        format!("{COLUMNS} FROM {CODES} {SUMS} WHERE k.code = {{?}} ORDER BY k.user_hash DESC");
    let whose = vec![Param::from(domain_id); 4].into_iter();
    let params = whose.chain([code.into()]).collect();
    store.one(&one, params).await?.as_ref().map(referrer).transpose()
}

/// Who has a partner's login or a key of the partner API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartnerRow {
    /// The address, as its login or its key has it.
    pub email: String,
    /// The login of contract 3.
    pub login: Option<String>,
    /// What its registrations come with.
    pub referral_code: Option<String>,
    /// Since when it has the key that it has.
    pub key_since: Option<Micros>,
    /// The user that it is.
    pub user_hash: Option<String>,
}

/// A page of a domain's partners, by address, and how many there are in all.
pub async fn partners(
    store: &Store,
    domain_id: i64,
    limit: i64,
    offset: i64,
) -> Result<(Vec<PartnerRow>, i64), StoreError> {
    const WHO: &str = "(SELECT email_key FROM partner WHERE domain_id = {?} UNION \
        SELECT email_key FROM partner_key WHERE domain_id = {?}) w";
    let whose = || [Param::from(domain_id), domain_id.into()];
    let count = format!("SELECT COUNT(*) AS total FROM {WHO}");
    let row = store.one(&count, whose().into()).await?;
    let total = row.map_or(Ok(0), |row| row.int("total"))?;
    let list = format!(
        "SELECT w.email_key AS email_key, p.email AS email, p.login AS login, \
         p.referral_code AS referral_code, k.ctime_us AS key_us, e.user_hash AS user_hash \
         FROM {WHO} LEFT JOIN partner p ON p.domain_id = {{?}} AND p.email_key = w.email_key \
         LEFT JOIN partner_key k ON k.domain_id = {{?}} AND k.email_key = w.email_key \
         AND k.revoked_us IS NULL \
         LEFT JOIN account_email e ON e.domain_id = {{?}} AND e.email_key = w.email_key \
         ORDER BY w.email_key, p.login LIMIT {{?}} OFFSET {{?}}"
    );
    let on = [Param::from(domain_id), domain_id.into(), domain_id.into()];
    let page = [limit.into(), offset.into()];
    let params = whose().into_iter().chain(on).chain(page).collect();
    let rows = store.all(&list, None, params).await?;
    let read = |row: &Row| {
        let email = row.text_or_null("email")?;
        Ok(PartnerRow {
            email: email.map_or_else(|| row.text("email_key"), Ok)?,
            login: row.text_or_null("login")?,
            referral_code: row.text_or_null("referral_code")?,
            key_since: row.int_or_null("key_us")?.map(Micros),
            user_hash: row.text_or_null("user_hash")?,
        })
    };
    Ok((rows.iter().map(read).collect::<Result<_, StoreError>>()?, total))
}

#[cfg(test)]
mod tests {
    use super::pattern;

    #[test]
    fn what_is_searched_for_is_no_pattern() {
        assert_eq!(pattern("Ada@X"), "%ada@x%");
        assert_eq!(pattern("50%_!"), "%50!%!_!!%");
    }
}
