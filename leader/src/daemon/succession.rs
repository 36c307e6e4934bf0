//! The beginning of a leader: it takes the lock that only one can hold, and one that its warden starts again looks whether
//! it still has a team to lead. Between two lives others may have led, and the team may have been ended: what was ended by
//! then is not begun again by somebody who slept meanwhile.

use jsonrpsee::core::ClientError;
use teamster_protocol::host::process::ProcessIdentity;
use teamster_protocol::host::team_dir::TeamDir;
use teamster_protocol::model::limits::pace::LEADER_LOCK_WITHIN;
use teamster_protocol::model::limits::{LOCK_RETRY, PROTOCOL_VERSION};
use teamster_protocol::store::presence::{LockError, LockHolder, PresenceLock};
use teamster_protocol::wire::api::{LeaderApiClient, ProtocolHello};
use teamster_protocol::wire::peer::socket;
use tokio::time::{Instant, timeout_at};

use super::ServeError;

/// Takes the leader's lock. A lock that is held although nobody answers belongs to a leader that has just begun, or
/// that was killed and is not quite gone: it is given a moment.
pub(super) async fn begin_to_lead(
    dir: &TeamDir,
    after: Option<&ProcessIdentity>,
    since_ms: u64,
) -> Result<PresenceLock, ServeError> {
    let path = dir.leader_lock();
    let over = || ServeError::Over { team: dir.team().to_string() };
    let until = Instant::now() + LEADER_LOCK_WITHIN;
    loop {
        // The leader that died had made this file. A command that removes the team at this moment must not be left with
        // a new one.
        if after.is_some() && matches!(path.try_exists(), Ok(false)) {
            return Err(over());
        }
        match PresenceLock::take_unsigned(&path) {
            // The file is new, and somebody leads all the same: the lock of that leader was tidied away.
            Ok(lock) if lock.last_signer().is_none() && answers(dir, until).await => {
                return Err(ServeError::Led { team: dir.team().to_string(), pid: None });
            }
            Ok(lock) => {
                // Before it is signed: to have looked is not to have led.
                if after.zip(lock.last_signer()).is_some_and(|(died, last)| is_over(died, &last)) {
                    return Err(over());
                }
                lock.sign(&path, since_ms);
                return Ok(lock);
            }
            Err(error @ (LockError::Io { .. } | LockError::Astray { .. } | LockError::Dying { .. })) => {
                return Err(ServeError::Lock(error));
            }
            Err(error @ LockError::Held { .. }) => {
                if answers(dir, until).await || Instant::now() >= until {
                    return Err(led(dir, error));
                }
            }
        }
        tokio::time::sleep(LOCK_RETRY).await;
    }
}

/// Whether a leader answers at the socket before the time is over. A leader that is being killed still has the socket,
/// and answers nobody.
async fn answers(dir: &TeamDir, until: Instant) -> bool {
    let Ok(leader) = socket::dial(&dir.leader_socket()).await else { return false };
    // A refusal is an answer too.
    matches!(
        timeout_at(until, leader.hello(ProtocolHello { protocol: PROTOCOL_VERSION })).await,
        Ok(Ok(_) | Err(ClientError::Call(_)))
    )
}

fn led(dir: &TeamDir, error: LockError) -> ServeError {
    match error {
        LockError::Held { holder, .. } => {
            ServeError::Led { team: dir.team().to_string(), pid: holder.map(|holder| holder.process.pid) }
        }
        error @ (LockError::Io { .. } | LockError::Astray { .. } | LockError::Dying { .. }) => ServeError::Lock(error),
    }
}

/// Whether nothing is left to do for the leader after `died`, by who signed the leader's lock last. To be asked while that
/// lock is held, so that nobody leads meanwhile.
///
/// A process that signed the lock before `died` began is an earlier leader, from which `died` took the team over. One
/// that signed it later is a leader with a warden of its own, or the command that ended the team.
fn is_over(died: &ProcessIdentity, last: &LockHolder) -> bool {
    if last.process == *died {
        return last.ended_ms.is_some();
    }
    last.process.boot_id == died.boot_id && last.process.start_ticks >= died.start_ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, start_ticks: u64) -> ProcessIdentity {
        ProcessIdentity { pid, start_ticks, boot_id: "0f7f-a5".to_owned() }
    }

    fn holder(process: ProcessIdentity, ended_ms: Option<u64>) -> LockHolder {
        LockHolder { process, since_ms: 7, ended_ms, inode: None, cell: None }
    }

    #[test]
    fn who_died_leading_is_followed_and_who_ended_in_order_is_not() {
        let died = process(10, 500);
        assert!(!is_over(&died, &holder(died.clone(), None)));
        assert!(is_over(&died, &holder(died.clone(), Some(9))));
    }

    #[tokio::test]
    async fn a_socket_at_which_nobody_answers_any_more_is_no_leader() {
        let root = tempfile::tempdir().unwrap();
        let dir = TeamDir::new(root.path(), "app".parse().unwrap());
        std::fs::create_dir(dir.path()).unwrap();
        let until = Instant::now() + LEADER_LOCK_WITHIN;
        assert!(!answers(&dir, until).await, "there is no socket");
        let dying = socket::listen(&dir.leader_socket()).unwrap();
        let (answers, ()) = tokio::join!(answers(&dir, until), async { drop(dying.accept().await) });
        assert!(!answers);
    }

    #[test]
    fn it_is_over_if_another_led_since_and_not_if_the_one_that_died_never_led() {
        let died = process(10, 500);
        for ended in [None, Some(9)] {
            assert!(is_over(&died, &holder(process(11, 501), ended)));
            assert!(is_over(&died, &holder(process(10, 501), ended)), "its number was given to another");
            assert!(!is_over(&died, &holder(process(9, 499), ended)), "the one before it");
        }
        let before_the_boot = ProcessIdentity { boot_id: "another".to_owned(), ..process(11, 900) };
        assert!(!is_over(&died, &holder(before_the_boot, Some(9))));
    }
}
