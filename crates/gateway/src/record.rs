//! The log's records and their bytes: fixed little-endian fields, no text but numbers and ids, so
//! that nothing a client sent can look like a record.

use crate::{
    clock::WallMillis,
    id::{AccountId, ChannelId, KeyId, LeaseId, RequestId},
    money::Nano,
    price::{PriceRef, PriceVersion},
    usage::{Usage, UsageSource},
};

/// Leases one reserve is taken from at most: the Organization's credit, the key's cap, the month's.
pub const MAX_LEASES: usize = 3;

/// The leases one reserve is taken from, each for the whole amount; the first is the
/// Organization's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Leases([LeaseId; MAX_LEASES]);

impl Leases {
    /// Up to [`MAX_LEASES`] leases; `None` when there are none, more, or one that is zero.
    pub fn new(leases: &[LeaseId]) -> Option<Self> {
        let fit = (1..=MAX_LEASES).contains(&leases.len()) && leases.iter().all(|l| l.0 != 0);
        let mut all = [LeaseId::default(); MAX_LEASES];
        fit.then(|| {
            all[..leases.len()].copy_from_slice(leases);
            Self(all)
        })
    }

    /// The leases, the Organization's first.
    pub fn iter(&self) -> impl Iterator<Item = LeaseId> + '_ {
        self.0.iter().copied().take_while(|lease| lease.0 != 0)
    }
}

/// L: credit was granted to this replica and may be spent from here on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leased {
    /// The lease; further grants of one epoch add to it.
    pub lease: LeaseId,
    /// The account it is of.
    pub account: AccountId,
    /// What was granted now.
    pub amount: Nano,
}

/// R: an amount is set aside for a request that may be sent from here on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reserved {
    /// The request.
    pub request: RequestId,
    /// The key it came with.
    pub key: KeyId,
    /// Where the amount was taken from.
    pub leases: Leases,
    /// The worst case.
    pub amount: Nano,
    /// What the input alone can cost; charged when nothing else is ever known.
    pub input_cost: Nano,
    /// The tokens that `input_cost` stands for.
    pub input_tokens: u64,
    /// The prices that hold for the request.
    pub price: PriceRef,
    /// When (noted, not used).
    pub at: WallMillis,
}

/// A: the request is about to be sent to an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// The request.
    pub request: RequestId,
    /// Where to.
    pub channel: ChannelId,
}

/// P: how far an answer has come; the last one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The request.
    pub request: RequestId,
    /// Output tokens so far.
    pub output_tokens: u64,
    /// What input and output so far cost.
    pub cost: Nano,
}

/// S: what the request cost in the end. It says all that the book needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// The request.
    pub request: RequestId,
    /// The key it came with.
    pub key: KeyId,
    /// Where the amount is taken from.
    pub leases: Leases,
    /// What the customer pays.
    pub amount: Nano,
    /// What it cost beyond that and nobody pays: a loss of the channel.
    pub loss: Nano,
    /// The quantities.
    pub usage: Usage,
    /// Where they come from.
    pub source: UsageSource,
    /// The prices.
    pub price: PriceRef,
    /// The upstream that answered; 0 when none is known.
    pub channel: ChannelId,
    /// When.
    pub at: WallMillis,
}

/// C: a part of a lease goes back to its account, or all that is left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed {
    /// The lease.
    pub lease: LeaseId,
    /// What goes back.
    pub amount: Nano,
    /// Whether nothing more is spent from the lease.
    pub last: bool,
}

/// A record of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record {
    /// L.
    Lease(Leased),
    /// R.
    Reserve(Reserved),
    /// A.
    Attempt(Attempt),
    /// P.
    Progress(Progress),
    /// S.
    Settle(Settled),
    /// V: the request was never sent, or nothing is to be paid for it.
    Void(RequestId),
    /// C.
    Close(Closed),
    /// N: nothing. Written when the log has been quiet: a record after the last acknowledged one
    /// tells damage of that one from a write that never finished.
    Nothing,
}

/// Payload bytes of the longest record.
pub(crate) const MAX_PAYLOAD_BYTES: usize = 160;

impl Record {
    /// The letter the record is known by.
    pub(crate) fn kind(&self) -> u8 {
        match self {
            Self::Lease(_) => b'L',
            Self::Reserve(_) => b'R',
            Self::Attempt(_) => b'A',
            Self::Progress(_) => b'P',
            Self::Settle(_) => b'S',
            Self::Void(_) => b'V',
            Self::Close(_) => b'C',
            Self::Nothing => b'N',
        }
    }

    /// Appends the payload to `out`.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let mut out = Out(out);
        match self {
            Self::Lease(l) => {
                out.u64(l.lease.0).u64(l.account.0).nano(l.amount);
            }
            Self::Reserve(r) => {
                out.request(r.request).u64(r.key.0).leases(&r.leases).nano(r.amount);
                out.nano(r.input_cost).u64(r.input_tokens).price(r.price).i64(r.at.0);
            }
            Self::Attempt(a) => {
                out.request(a.request).u64(a.channel.0);
            }
            Self::Progress(p) => {
                out.request(p.request).u64(p.output_tokens).nano(p.cost);
            }
            Self::Settle(s) => {
                out.request(s.request).u64(s.key.0).leases(&s.leases).nano(s.amount).nano(s.loss);
                let u = &s.usage;
                for tokens in [u.input, u.cached_input, u.cache_write, u.output, u.reasoning] {
                    out.u64(tokens);
                }
                out.u8(source_code(s.source)).price(s.price).u64(s.channel.0).i64(s.at.0);
            }
            Self::Void(request) => {
                out.request(*request);
            }
            Self::Close(c) => {
                out.u64(c.lease.0).nano(c.amount).u8(u8::from(c.last));
            }
            Self::Nothing => {}
        }
    }

    /// Reads a payload; `None` when it is not exactly one of that kind.
    pub(crate) fn read(kind: u8, payload: &[u8]) -> Option<Self> {
        let mut bytes = In(payload);
        let i = &mut bytes;
        let record = match kind {
            b'L' => Self::Lease(Leased {
                lease: LeaseId(i.u64()?),
                account: AccountId(i.u64()?),
                amount: i.nano()?,
            }),
            b'R' => Self::Reserve(Reserved {
                request: i.request()?,
                key: KeyId(i.u64()?),
                leases: i.leases()?,
                amount: i.nano()?,
                input_cost: i.nano()?,
                input_tokens: i.u64()?,
                price: i.price()?,
                at: WallMillis(i.i64()?),
            }),
            b'A' => Self::Attempt(Attempt { request: i.request()?, channel: ChannelId(i.u64()?) }),
            b'P' => Self::Progress(Progress {
                request: i.request()?,
                output_tokens: i.u64()?,
                cost: i.nano()?,
            }),
            b'S' => Self::Settle(i.settled()?),
            b'V' => Self::Void(i.request()?),
            b'C' => Self::Close(Closed {
                lease: LeaseId(i.u64()?),
                amount: i.nano()?,
                last: i.u8()? == 1,
            }),
            b'N' => Self::Nothing,
            _ => return None,
        };
        bytes.0.is_empty().then_some(record)
    }
}

fn source_code(source: UsageSource) -> u8 {
    match source {
        UsageSource::Reported => 1,
        UsageSource::Counted => 2,
        UsageSource::Estimated => 3,
        UsageSource::Unresolved => 4,
    }
}

struct Out<'a>(&'a mut Vec<u8>);

impl Out<'_> {
    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn u8(&mut self, value: u8) -> &mut Self {
        self.bytes(&[value])
    }

    fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    fn i64(&mut self, value: i64) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    fn nano(&mut self, value: Nano) -> &mut Self {
        self.i64(value.get())
    }

    fn request(&mut self, request: RequestId) -> &mut Self {
        self.bytes(&request.to_bytes())
    }

    fn price(&mut self, price: PriceRef) -> &mut Self {
        self.bytes(&price.version.0.to_le_bytes()).bytes(&price.line.to_le_bytes())
    }

    fn leases(&mut self, leases: &Leases) -> &mut Self {
        leases.0.iter().fold(self, |out, lease| out.u64(lease.0))
    }
}

struct In<'a>(&'a [u8]);

impl In<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    fn nano(&mut self) -> Option<Nano> {
        self.i64().map(Nano::new)
    }

    fn request(&mut self) -> Option<RequestId> {
        self.array().map(RequestId::from_bytes)
    }

    fn price(&mut self) -> Option<PriceRef> {
        Some(PriceRef { version: PriceVersion(self.u32()?), line: self.u32()? })
    }

    fn leases(&mut self) -> Option<Leases> {
        let all = [LeaseId(self.u64()?), LeaseId(self.u64()?), LeaseId(self.u64()?)];
        let count = all.iter().take_while(|lease| lease.0 != 0).count();
        Leases::new(&all[..count]).filter(|leases| leases.0 == all)
    }

    fn settled(&mut self) -> Option<Settled> {
        Some(Settled {
            request: self.request()?,
            key: KeyId(self.u64()?),
            leases: self.leases()?,
            amount: self.nano()?,
            loss: self.nano()?,
            usage: Usage {
                input: self.u64()?,
                cached_input: self.u64()?,
                cache_write: self.u64()?,
                output: self.u64()?,
                reasoning: self.u64()?,
            },
            source: match self.u8()? {
                1 => UsageSource::Reported,
                2 => UsageSource::Counted,
                3 => UsageSource::Estimated,
                4 => UsageSource::Unresolved,
                _ => return None,
            },
            price: self.price()?,
            channel: ChannelId(self.u64()?),
            at: WallMillis(self.i64()?),
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn leases() -> impl Strategy<Value = Leases> {
        proptest::collection::vec(1_u64.., 1..=MAX_LEASES).prop_map(|ids| {
            let ids: Vec<_> = ids.into_iter().map(LeaseId).collect();
            Leases::new(&ids).unwrap()
        })
    }

    pub(crate) fn any_record() -> impl Strategy<Value = Record> {
        let numbers = proptest::array::uniform8(any::<u64>());
        (0..8_u8, any::<u128>(), leases(), numbers, 0..4_u8).prop_map(|(kind, id, leases, n, s)| {
            let request = RequestId(id);
            let nano = |n: u64| Nano::new(n.cast_signed());
            let price = PriceRef { version: PriceVersion(n[0] as u32), line: n[1] as u32 };
            let source = [
                UsageSource::Reported,
                UsageSource::Counted,
                UsageSource::Estimated,
                UsageSource::Unresolved,
            ];
            match kind {
                0 => Record::Lease(Leased {
                    lease: LeaseId(n[0]),
                    account: AccountId(n[1]),
                    amount: nano(n[2]),
                }),
                1 => Record::Reserve(Reserved {
                    request,
                    key: KeyId(n[2]),
                    leases,
                    amount: nano(n[3]),
                    input_cost: nano(n[4]),
                    input_tokens: n[5],
                    price,
                    at: WallMillis(n[6].cast_signed()),
                }),
                2 => Record::Attempt(Attempt { request, channel: ChannelId(n[0]) }),
                3 => Record::Progress(Progress { request, output_tokens: n[0], cost: nano(n[1]) }),
                4 => Record::Settle(Settled {
                    request,
                    key: KeyId(n[2]),
                    leases,
                    amount: nano(n[3]),
                    loss: nano(n[4]),
                    usage: Usage {
                        input: n[5],
                        cached_input: n[6],
                        cache_write: n[7],
                        output: n[3],
                        reasoning: n[4],
                    },
                    source: source[s as usize],
                    price,
                    channel: ChannelId(n[5]),
                    at: WallMillis(n[6].cast_signed()),
                }),
                5 => Record::Void(request),
                6 => Record::Close(Closed {
                    lease: LeaseId(n[0]),
                    amount: nano(n[1]),
                    last: n[2] % 2 == 0,
                }),
                _ => Record::Nothing,
            }
        })
    }

    proptest! {
        #[test]
        fn a_record_reads_back_as_it_was_written(record in any_record()) {
            let mut payload = Vec::new();
            record.write(&mut payload);
            prop_assert!(payload.len() <= MAX_PAYLOAD_BYTES);
            prop_assert_eq!(Record::read(record.kind(), &payload), Some(record));
            payload.push(0);
            prop_assert_eq!(Record::read(record.kind(), &payload), None);
        }
    }
}
