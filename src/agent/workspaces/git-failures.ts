/**
 * Whether a failed clone or fetch may succeed when it is tried again. git ends with 128 for every failure and tells no
 * cause by a code, so that its words decide: this table is the only place where they are read. What is not in it is
 * final. The words are those of the C locale. Pure.
 */

interface Row {
  words: RegExp
  passes: boolean
}

const final = (words: RegExp): Row => ({ words, passes: false })
const passing = (words: RegExp): Row => ({ words, passes: true })

/** The first row that fits counts: git adds "hung up unexpectedly" to a refusal, too. */
const FAILURES: readonly Row[] = [
  // remote-curl.c, http.c: refused or not there. With prompts off, a 401 is told as a name that cannot be read.
  final(/returned error: (?!408|425|429)4\d\d|Authentication failed for|could not read (?:Username|Password) for/),
  final(/repository '.*' not found|does not appear to be a git repository/),
  // ssh(1): the key of the client or the server.
  final(/Permission denied|Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED/),
  // curl (vtls): a certificate stays wrong.
  final(/certificate|unable to find remote helper|transport '.*' not allowed/i),
  // builtin/fetch-pack.c, upload-pack.c: the ref or object is not there.
  final(/couldn't find remote ref|not our ref|no such remote ref/i),
  // http.c, remote-curl.c: the server is busy or on its way.
  passing(/returned error: (?:408|425|429|5\d\d)|RPC failed; HTTP (?:408|425|429|5\d\d)/),
  // curl (hostip.c, connect.c), connect.c of git, ssh(1), resolver(3).
  passing(/Could not resolve (?:host|proxy|hostname)|Temporary failure in name resolution|unable to look up/),
  passing(/Connection (?:refused|reset|timed out|closed)|Failed to connect to|Couldn't connect to server/),
  passing(/Operation timed out|Operation too slow|Network is unreachable|No route to host/),
  // http.c with curl (transfer.c, http2.c, vtls): the answer was cut off.
  passing(/Empty reply from server|outstanding read data|was not closed cleanly|RPC failed; curl/),
  passing(/TLS connection was non-properly terminated|SSL_ERROR_SYSCALL|unexpected eof while reading/i),
  // pack-objects over pkt-line.c, index-pack.c, sideband.c: the same, seen by git.
  passing(/early EOF|unexpected disconnect|hung up unexpectedly|expected flush after|bad pack header/),
]

/** `said` is the stderr of git. False: the same will be answered again. */
export function isPassingFailure(said: string): boolean {
  return FAILURES.find(({ words }) => words.test(said))?.passes ?? false
}
