/**
 * What a failed call of git to a server means. git ends with 128 for every failure and tells no cause by a code, so that
 * its words decide: this table is the only place where they are read. The words are those of the C locale. Pure.
 */

/**
 * *denied*: the server or its key is not what it should be for us, and only its user can mend that; *no ref*: the repository
 * has no such ref or object; *passing*: the same may succeed when it is tried again; *final*: it will not.
 */
export type GitFailure = 'denied' | 'no ref' | 'passing' | 'final'

interface Row {
  words: RegExp
  kind: GitFailure
}

const row = (kind: GitFailure, words: RegExp): Row => ({ words, kind })

/** The first row that fits counts: git adds "hung up unexpectedly" to a refusal, too. */
const FAILURES: readonly Row[] = [
  // remote-curl.c, http.c: refused. With prompts off, a 401 is told as a name that cannot be read.
  row('denied', /returned error: 40[137]|Authentication failed for|could not read (?:Username|Password) for/),
  // Servers say so of a repository that the caller may not see, too.
  row('denied', /repository '.*' not found|[Rr]epository not found|does not appear to be a git repository/),
  // ssh(1): the key of the client or the server.
  row('denied', /Permission denied|Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED/),
  row('final', /returned error: (?!408|425|429)4\d\d/),
  // curl (vtls): a certificate stays wrong.
  row('final', /certificate|unable to find remote helper|transport '.*' not allowed/i),
  // builtin/fetch-pack.c, upload-pack.c: the ref or object is not there.
  row('no ref', /couldn't find remote ref|not our ref|no such remote ref/i),
  // http.c, remote-curl.c: the server is busy or on its way.
  row('passing', /returned error: (?:408|425|429|5\d\d)|RPC failed; HTTP (?:408|425|429|5\d\d)/),
  // curl (hostip.c, connect.c), connect.c of git, ssh(1), resolver(3).
  row('passing', /Could not resolve (?:host|proxy|hostname)|Temporary failure in name resolution|unable to look up/),
  row('passing', /Connection (?:refused|reset|timed out|closed)|Failed to connect to|Couldn't connect to server/),
  row('passing', /Operation timed out|Operation too slow|Network is unreachable|No route to host/),
  // http.c with curl (transfer.c, http2.c, vtls): the answer was cut off.
  row('passing', /Empty reply from server|outstanding read data|was not closed cleanly|RPC failed; curl/),
  row('passing', /TLS connection was non-properly terminated|SSL_ERROR_SYSCALL|unexpected eof while reading/i),
  // pack-objects over pkt-line.c, index-pack.c, sideband.c: the same, seen by git.
  row('passing', /early EOF|unexpected disconnect|hung up unexpectedly|expected flush after|bad pack header/),
]

/** `said` is the stderr of git. What is not in the table is final. */
export function kindOfFailure(said: string): GitFailure {
  return FAILURES.find(({ words }) => words.test(said))?.kind ?? 'final'
}

/** False: the same will be answered again. */
export const isPassingFailure = (said: string): boolean => kindOfFailure(said) === 'passing'
