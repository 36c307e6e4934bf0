//! A spare worker: a process that was started before anybody knew whose it would be. It is in its cell and has loaded its
//! program, and waits on standard input for one line, its order: the arguments that it would have been started with. From
//! then on it is a worker like any other, and what follows that line is calls.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use super::peer::stdio::StdinReader;

/// The first argument of a worker that is to be a spare one; the root and the team follow.
pub const SPARE: &str = "--spare";

/// Bytes of an order: two paths, and some short words.
const ORDER_BYTES_MAX: u64 = 64 * 1024;

/// The order for a spare worker, with its newline.
pub fn order_line(args: &[String]) -> Vec<u8> {
    let mut line = serde_json::to_vec(args).expect("a list of texts can be written");
    line.push(b'\n');
    line
}

/// Waits for the order. Returns the arguments, and the input after that line; nothing if the input ended before there was
/// any order, which is how whoever keeps the spare lets it go. Fails on a line that is no order.
pub async fn read_order(input: StdinReader) -> io::Result<Option<(Vec<String>, StdinReader)>> {
    let mut input = BufReader::new(input);
    let mut line = Vec::new();
    let read = (&mut input).take(ORDER_BYTES_MAX).read_until(b'\n', &mut line).await?;
    if read == 0 {
        return Ok(None);
    }
    if line.last() != Some(&b'\n') {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the order is not a whole line"));
    }
    Ok(Some((serde_json::from_slice(&line)?, Box::new(input))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(bytes: &[u8]) -> StdinReader {
        Box::new(io::Cursor::new(bytes.to_vec()))
    }

    #[tokio::test]
    async fn what_follows_the_order_is_read_after_it() {
        let args = ["--name".to_owned(), "a \"b\"\n".to_owned()];
        let mut bytes = order_line(&args);
        bytes.extend_from_slice(b"{}\nmore");
        let (read, mut rest) = read_order(input(&bytes)).await.unwrap().unwrap();
        assert_eq!(read, args);
        let mut after = String::new();
        rest.read_to_string(&mut after).await.unwrap();
        assert_eq!(after, "{}\nmore");
    }

    #[tokio::test]
    async fn an_end_without_an_order_is_none_and_half_an_order_is_refused() {
        assert!(read_order(input(b"")).await.unwrap().is_none());
        assert!(read_order(input(b"[\"--name\"")).await.is_err());
        assert!(read_order(input(b"not an order\n")).await.is_err());
    }
}
