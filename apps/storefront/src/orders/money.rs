//! Amounts of money: well-formed, exact, in one currency.

use crate::proto::order::v1::Money;
use std::fmt;

/// An ISO 4217 code: three capital letters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Currency([u8; 3]);

/// An amount without its currency. `units` and `nanos` are of one sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Amount {
    units: i64,
    nanos: i32,
}

/// What is wrong with a Money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IllFormed {
    Missing,
    Currency,
    Nanos,
    Signs,
}

/// A sum that is being made. It can't overflow: a message has fewer than 2³² items.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    units: i128,
    nanos: i128,
}

/// The sum is more, or less, than a Money can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Overflow;

const NANOS_PER_UNIT: i32 = 1_000_000_000;

impl Currency {
    /// The code, where it has the form of one.
    pub(super) fn parse(code: &str) -> Option<Self> {
        let letters: [u8; 3] = code.as_bytes().try_into().ok()?;
        letters.iter().all(u8::is_ascii_uppercase).then_some(Self(letters))
    }

    pub(super) fn code(&self) -> &str {
        // Capital letters are UTF-8.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Amount {
    /// Reads a price; an unset one is missing.
    pub(super) fn read(money: Option<&Money>) -> Result<(Currency, Self), IllFormed> {
        let money = money.ok_or(IllFormed::Missing)?;
        let currency = Currency::parse(&money.currency_code).ok_or(IllFormed::Currency)?;
        let (units, nanos) = (money.units, money.nanos);
        if nanos <= -NANOS_PER_UNIT || nanos >= NANOS_PER_UNIT {
            return Err(IllFormed::Nanos);
        }
        if units.signum() * i64::from(nanos.signum()) < 0 {
            return Err(IllFormed::Signs);
        }
        Ok((currency, Self { units, nanos }))
    }

    /// In nano units, which no amount overflows.
    pub(super) fn nano_units(self) -> i128 {
        i128::from(self.units) * i128::from(NANOS_PER_UNIT) + i128::from(self.nanos)
    }

    pub(super) fn money(self, currency: Currency) -> Money {
        Money {
            currency_code: currency.code().to_owned(),
            units: self.units,
            nanos: self.nanos,
            ..Default::default()
        }
    }
}

impl Sum {
    pub(super) fn add(&mut self, quantity: i32, price: Amount) {
        self.units += i128::from(quantity) * i128::from(price.units);
        self.nanos += i128::from(quantity) * i128::from(price.nanos);
    }

    pub(super) fn total(self) -> Result<Amount, Overflow> {
        let per_unit = i128::from(NANOS_PER_UNIT);
        let mut units = self.units + self.nanos.div_euclid(per_unit);
        let mut nanos = self.nanos.rem_euclid(per_unit);
        if units < 0 && nanos > 0 {
            units += 1;
            nanos -= per_unit;
        }
        match (i64::try_from(units), i32::try_from(nanos)) {
            (Ok(units), Ok(nanos)) => Ok(Amount { units, nanos }),
            _ => Err(Overflow),
        }
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Display for IllFormed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            IllFormed::Missing => "is required",
            IllFormed::Currency => {
                "must have a currency_code of three capital letters (ISO 4217), such as EUR"
            }
            IllFormed::Nanos => "must have nanos between -999999999 and 999999999",
            IllFormed::Signs => "must have units and nanos of one sign",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAX: i64 = i64::MAX;
    const MIN: i64 = i64::MIN;

    fn money(currency: &str, units: i64, nanos: i32) -> Money {
        Money { currency_code: currency.to_owned(), units, nanos, ..Default::default() }
    }

    /// The storefront's contract, OrderService: Money well-formed, one currency of three capitals.
    #[test]
    fn what_is_well_formed() {
        use IllFormed::{Currency, Nanos, Signs};
        for (currency, units, nanos, expected) in [
            ("EUR", 0, 0, None),
            ("EUR", MAX, 999_999_999, None),
            ("EUR", MIN, -999_999_999, None),
            ("EUR", 0, -1, None),
            ("EUR", -1, 0, None),
            ("EUR", 0, 1_000_000_000, Some(Nanos)),
            ("EUR", 0, -1_000_000_000, Some(Nanos)),
            ("EUR", 0, i32::MIN, Some(Nanos)),
            ("EUR", 1, -1, Some(Signs)),
            ("EUR", -1, 1, Some(Signs)),
            ("", 1, 0, Some(Currency)),
            ("eur", 1, 0, Some(Currency)),
            ("EURO", 1, 0, Some(Currency)),
            ("E1R", 1, 0, Some(Currency)),
            ("Ä1", 1, 0, Some(Currency)),
        ] {
            let money = money(currency, units, nanos);
            assert_eq!(Amount::read(Some(&money)).err(), expected, "{currency} {units} {nanos}");
        }
        assert_eq!(Amount::read(None), Err(IllFormed::Missing));
    }

    #[test]
    fn sums() {
        for (items, total) in [
            (&[] as &[(i32, i64, i32)], Ok((0, 0))),
            (&[(3, 0, 333_333_333)], Ok((0, 999_999_999))),
            (&[(2, 0, 500_000_000)], Ok((1, 0))),
            (&[(1, 1, 0), (1, 0, -1)], Ok((0, 999_999_999))),
            (&[(1, -1, 0), (1, 0, 1)], Ok((0, -999_999_999))),
            (&[(1, -1, -500_000_000), (1, 1, 500_000_000)], Ok((0, 0))),
            (&[(1, MAX, 999_999_999)], Ok((MAX, 999_999_999))),
            (&[(1, MIN, -999_999_999)], Ok((MIN, -999_999_999))),
            (&[(1, MAX, 999_999_999), (1, 0, 1)], Err(Overflow)),
            (&[(1, MIN, -999_999_999), (1, 0, -1)], Err(Overflow)),
            (&[(2, MAX, 0)], Err(Overflow)),
            (&[(i32::MAX, MAX, 0), (i32::MAX, -MAX, 0), (1, 7, 0)], Ok((7, 0))),
        ] {
            assert_eq!(sum(items).map(|total| (total.units, total.nanos)), total, "{items:?}");
        }
    }

    fn sum(items: &[(i32, i64, i32)]) -> Result<Amount, Overflow> {
        let mut sum = Sum::default();
        for &(quantity, units, nanos) in items {
            sum.add(quantity, Amount { units, nanos });
        }
        sum.total()
    }

    fn amount() -> impl Strategy<Value = Amount> {
        let well_formed = |(units, nanos): (i64, i32)| Amount {
            units,
            nanos: if units == 0 { nanos } else { nanos.abs() * units.signum() as i32 },
        };
        ((prop_oneof![-2..3i64, any::<i64>()]), (-999_999_999..1_000_000_000)).prop_map(well_formed)
    }

    proptest! {
        #[test]
        fn a_sum_is_exact_and_well_formed(items in prop::collection::vec((1..1000i32, amount()), 0..9)) {
            let mut sum = Sum::default();
            let mut exact = 0;
            for &(quantity, price) in &items {
                sum.add(quantity, price);
                exact += i128::from(quantity) * price.nano_units();
            }
            match sum.total() {
                Ok(total) => {
                    prop_assert_eq!(total.nano_units(), exact);
                    let money = total.money(Currency::parse("EUR").unwrap());
                    prop_assert_eq!(Amount::read(Some(&money)).unwrap().1, total);
                }
                Err(Overflow) => prop_assert!((exact / 1_000_000_000) as i64 as i128 != exact / 1_000_000_000),
            }
        }
    }
}
