//! The numbers that options take, with the bounds of each in our words.

use std::fmt::Display;
use std::ops::{Bound, RangeBounds};
use std::str::FromStr;

/// A whole number within the bounds, of which the least is given. Refuses anything else, and says what goes.
pub(super) fn whole_number<N>(text: &str, bounds: impl RangeBounds<N>) -> Result<N, String>
where
    N: FromStr + PartialOrd + Display,
{
    match (text.parse::<N>(), bounds.start_bound(), bounds.end_bound()) {
        (Ok(number), _, _) if bounds.contains(&number) => Ok(number),
        (_, Bound::Included(least), Bound::Included(most)) => {
            Err(format!("write a whole number from {least} to {most}"))
        }
        (_, Bound::Included(least), _) => Err(format!("write a whole number that is {least} or more")),
        (..) => Err("write a whole number".to_owned()),
    }
}

/// The priority of a task.
pub(super) fn priority(text: &str) -> Result<i32, String> {
    whole_number(text, i32::MIN..=i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_such_number_is_refused_with_the_bounds() {
        assert_eq!(whole_number("3", 1..=64u16), Ok(3));
        for text in ["0", "65", "-1", "99999999999999999999", "1.5", "x", ""] {
            assert_eq!(whole_number(text, 1..=64u16), Err("write a whole number from 1 to 64".to_owned()), "{text}");
        }
        assert_eq!(whole_number("-1", 0usize..), Err("write a whole number that is 0 or more".to_owned()));
    }
}
