// SPDX-License-Identifier: MIT OR Apache-2.0
//! How alike two names are, to find the one that was meant.

use alloc::vec;
use alloc::vec::Vec;

/// Likeness of equal names.
const SAME: usize = 1000;

/// Likeness in thousandths: 1000 for equal names, 0 for names that share nothing.
pub(crate) fn likeness(first: &str, second: &str) -> usize {
    let longer = first.chars().count().max(second.chars().count());
    SAME - (SAME * distance(first, second)).checked_div(longer).unwrap_or(0)
}

/// How many letters must be put in, left out, replaced or swapped with their neighbour to make one name of the other
/// ("optimal string alignment": no letter takes part twice).
fn distance(first: &str, second: &str) -> usize {
    let second: Vec<char> = second.chars().collect();
    // Rows of the table of distances between the names' beginnings: a row for each letter of the first.
    let mut row: Vec<usize> = (0..=second.len()).collect();
    let mut above = vec![0; second.len() + 1];
    let mut above_that = above.clone();
    let mut before = None;
    for (i, a) in first.chars().enumerate() {
        // The oldest row is not needed any more: its place is the new one's.
        core::mem::swap(&mut above_that, &mut above);
        core::mem::swap(&mut above, &mut row);
        row[0] = i + 1;
        for (j, &b) in second.iter().enumerate() {
            let replaced = above[j] + usize::from(a != b);
            row[j + 1] = replaced.min(above[j + 1] + 1).min(row[j] + 1);
            if j > 0 && before == Some(b) && second[j - 1] == a {
                row[j + 1] = row[j + 1].min(above_that[j - 1] + 1);
            }
        }
        before = Some(a);
    }
    row[second.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_put_in_left_out_replaced_and_swapped_count_once() {
        for (first, second, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("write", "write", 0),
            ("write", "wirte", 1),
            ("write", "writte", 1),
            ("write", "wite", 1),
            ("write", "wrote", 1),
            ("ab", "ba", 1),
            ("abcdef", "badcfe", 3),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(first, second), expected, "{first} {second}");
            assert_eq!(distance(second, first), expected, "{second} {first}");
        }
    }

    #[test]
    fn likeness_is_a_share_of_the_longer_name() {
        assert_eq!(likeness("", ""), SAME);
        assert_eq!(likeness("same", "same"), SAME);
        assert_eq!(likeness("abcde", "abcdx"), 800);
        assert_eq!(likeness("ab", "abcdefgh"), 250);
        assert_eq!(likeness("abc", "xyz"), 0);
    }
}
