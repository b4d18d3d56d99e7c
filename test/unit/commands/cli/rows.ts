/**
 * Every command × how it can go. A list of words is what stands behind the command; a sentence says why there is no
 * such case. DONE is a task that is over, LIVE one that runs, ASKS one that waits for somebody, NONE one that is not there.
 */
type Case = readonly string[] | string

export interface Row {
  ok: Case
  notFound: Case
  /** The code of the error that is expected before the words. */
  wrongState: Case
  down: Case
  /** Prints no JSON: what it prints is itself what is asked for. */
  isText?: boolean
  /** Hands the terminal over, so it needs a process of its own. */
  isChild?: boolean
  /** Exit code of the right case, where it is not 0. */
  exit?: number
}

const NAMES_NOTHING = 'it names nothing that could be missing'
const ANY_STATE = 'every state will do'
const NO_DAEMON = 'it needs no daemon'
const OWN_TEST = (file: string) => `it changes this machine; its test is ${file}`

const WATCHED = 'it needs a pull request; its test is test/system/long/after/until-green.test.ts'

/** One that is there is in the test of the page. */
const SCHEDULE: Row = {
  ok: 'its test is test/system/long/upkeep/schedules.test.ts',
  notFound: ['NONE'],
  wrongState: ANY_STATE,
  down: ['nightly'],
}

const SOURCE = 'it needs a tracker; its test is test/system/long/issues/github.test.ts'

const look = (more: Partial<Row> = {}): Row => ({
  ok: ['DONE'],
  notFound: ['NONE'],
  wrongState: ANY_STATE,
  down: ['abcd'],
  ...more,
})
const plain = (...words: string[]): Row => ({ ok: words, notFound: NAMES_NOTHING, wrongState: ANY_STATE, down: words })
const offline = (more: Partial<Row> = {}): Row => ({
  ok: [],
  notFound: NAMES_NOTHING,
  wrongState: ANY_STATE,
  down: NO_DAEMON,
  ...more,
})

export const ROWS: Record<string, Row> = {
  submit: {
    ok: ['-n', '--repo', 'REPO', '--', 'true'],
    notFound: 'a node that is not there is in wrong-input.test.ts',
    wrongState: 'it begins a task',
    down: ['--repo', 'REPO', '--', 'true'],
  },
  mcp: offline({ isText: true }),
  'schedule add': {
    ok: ['n', '@daily', 'tidy up', '--agent', 'claude', '--repo', 'https://git.example.org/shop.git', '-n'],
    notFound: NAMES_NOTHING,
    wrongState: 'its test is test/system/long/upkeep/schedules.test.ts',
    down: ['n', '@daily', 'tidy up', '--repo', 'https://git.example.org/shop.git'],
  },
  'schedule ls': plain(),
  'schedule show': SCHEDULE,
  'schedule run': SCHEDULE,
  'schedule pause': SCHEDULE,
  'schedule resume': SCHEDULE,
  'schedule rm': SCHEDULE,
  ls: plain('--all', '--status', 'completed', '--label', 'a=b', '--since', '1h', '--limit', '3', '--sort', '-age'),
  show: look(),
  status: plain(),
  why: look(),
  logs: look({ isText: true }),
  watch: look(),
  wait: look(),
  diff: look({ wrongState: ['NO_RESULT', 'LIVE'], isText: true }),
  apply: look({ wrongState: ['NO_RESULT', 'LIVE'] }),
  pull: look({ wrongState: ['NO_RESULT', 'LIVE'] }),
  push: look({ ok: OWN_TEST('long/push.test.ts'), wrongState: ['NO_RESULT', 'LIVE'] }),
  fit: look({ wrongState: ['NO_RESULT', 'LIVE'] }),
  land: look({ ok: OWN_TEST('long/after/land.test.ts'), wrongState: ['WRONG_STATE', 'LIVE'] }),
  cost: plain('--since', '7d', '--by', 'label'),
  'source ls': plain(),
  'source show': { ...plain('web'), ok: SOURCE, notFound: ['web'] },
  'source run': { ...plain('web'), ok: SOURCE, notFound: ['web'] },
  'source pause': { ...plain('web'), ok: SOURCE, notFound: ['web'] },
  'source resume': { ...plain('web'), ok: SOURCE, notFound: ['web'] },
  'source check': { ...plain('web'), ok: SOURCE, notFound: ['web'] },
  'pr ls': plain(),
  'pr adopt': {
    ...plain('https://example.org/x/y/pull/1'),
    ok: 'it needs a forge; its test is long/after/pull-adopt.test.ts',
  },
  'pr show': look({ ok: WATCHED, wrongState: ['WRONG_STATE', 'DONE'] }),
  'pr watch': look({ ok: WATCHED, wrongState: ['NO_RESULT', 'DONE'] }),
  'pr pause': look({ ok: WATCHED, wrongState: ['WRONG_STATE', 'DONE'] }),
  'pr resume': look({ ok: WATCHED, wrongState: ['WRONG_STATE', 'DONE'] }),
  'pr stop': look({ ok: WATCHED, wrongState: ['WRONG_STATE', 'DONE'] }),
  artifacts: look(),
  'artifacts get': look({ ok: OWN_TEST('long/after/artifacts.test.ts') }),
  shell: look({ ok: ['LIVE'], wrongState: ['WRONG_STATE', 'DONE'], isText: true, isChild: true }),
  retry: look({ ok: ['DONE', '-n'], wrongState: ['WRONG_STATE', 'LIVE'] }),
  cancel: look({ ok: ['LIVE', '-n'], wrongState: ['WRONG_STATE', 'DONE'] }),
  send: {
    ok: ['ASKS', 'go on'],
    notFound: ['NONE', 'go on'],
    wrongState: ['WRONG_STATE', 'DONE', 'go on'],
    down: ['abcd', 'go on'],
  },
  continue: {
    ok: 'it opens an attempt of the task of the other cases; its test is long/after/continue.test.ts',
    notFound: ['NONE', 'go on'],
    wrongState: ['WRONG_STATE', 'LIVE', 'go on'],
    down: ['abcd', 'go on'],
  },
  rm: look({ ok: ['DONE', '-n'], wrongState: ['WRONG_STATE', 'LIVE'] }),
  reap: offline({ ok: OWN_TEST('long/reap.test.ts') }),
  prune: plain('--older-than', '1d', '-n'),
  events: plain(),
  errors: { ...plain(), notFound: ['--task', 'NONE'] },
  top: plain('--once'),
  'node ls': plain('--all'),
  'node show': look({ ok: ['local'] }),
  'node add': { ...plain('you@box'), ok: 'it needs a machine; its test is hosts/static.test.ts' },
  'node drain': look({ ok: ['local', '-n'], wrongState: 'a configured node can always be drained' }),
  'node rm': look({ ok: 'a configured node stays; hetzner.test.ts removes one', wrongState: ['WRONG_STATE', 'local'] }),
  'daemon run': offline({ ok: 'every test with a home starts one; wrong-input.test.ts starts a second' }),
  'daemon status': plain(),
  'daemon stop': { ...plain(), ok: 'the last of this file', down: 'there is nothing to stop; starting.test.ts' },
  'daemon reload': plain(),
  'daemon drain': { ...plain(), ok: OWN_TEST('long/care.test.ts') },
  'daemon adopt': offline({ ok: OWN_TEST('long/care.test.ts') }),
  'daemon start': offline({ ok: OWN_TEST('commands/service.test.ts') }),
  'daemon restart': offline({ ok: OWN_TEST('commands/service.test.ts') }),
  'daemon logs': offline({ ok: OWN_TEST('commands/service.test.ts') }),
  'daemon install': offline({ ok: ['--print'] }),
  'daemon uninstall': offline({ ok: OWN_TEST('the units of systemd') }),
  'cluster ls': { ...plain(), ok: OWN_TEST('cluster/daemons.test.ts'), wrongState: ['WRONG_STATE'] },
  'cluster handover': { ...plain(), ok: OWN_TEST('cluster/daemons.test.ts'), wrongState: ['WRONG_STATE'] },
  'db backup': offline({ ok: OWN_TEST('long/db.test.ts') }),
  'db check': offline({ ok: OWN_TEST('long/db.test.ts'), wrongState: ['STATE_LOCKED'] }),
  'db export': offline({ ok: OWN_TEST('test/system/cluster/move.test.ts') }),
  'db import': offline({ ok: OWN_TEST('test/system/cluster/move.test.ts') }),
  'db restore': offline({ ok: OWN_TEST('long/db.test.ts'), notFound: [] }),
  'secret set': { ...plain('A_KEY'), ok: OWN_TEST('daemon/secrets.test.ts') },
  'secret ls': plain(),
  'secret rm': { ...plain('A_KEY'), ok: OWN_TEST('daemon/secrets.test.ts'), notFound: ['NONE'] },
  'agent ls': plain(),
  'config check': offline(),
  'config show': offline(),
  'config example': offline(),
  'config path': offline(),
  'config schema': offline(),
  doctor: offline(),
  completion: offline({ ok: ['bash'] }),
  complete: offline({ ok: ['--', 'show', ''], isText: true }),
  man: offline({ isText: true }),
  'exit-codes': offline(),
  init: offline({ ok: ['--dry-run'] }),
  quickstart: offline({ ok: OWN_TEST('durability.test.ts') }),
  version: offline(),
}
