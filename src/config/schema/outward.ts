/** The settings of what comes from and goes out to others: repositories, pushes of branches, notices, and the dashboard. */
import { z } from 'zod'
import { clashesOf, KEY_FORM, KEY_NAMES, KEY_TABLE, type KeyMap } from '../../core/dashboard-keys.ts'
import { choice, choices, count, described, duration, flag, form, list, text } from './kinds.ts'

const TOLD = [
  ...['done', 'failed', 'parked', 'needs-you', 'push-failed', 'schedule-failing', 'budget-warning', 'budget-used'],
] as const
const NOTICE_EVENTS = [...TOLD, 'cancelled'] as const
export type NoticeEvent = (typeof NOTICE_EVENTS)[number]

/** With a query, which often holds a token; without a user or a fragment. */
const URL_FORM = /^https?:\/\/[^\s/?#@]+(\/[^\s#]*)?$/

const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/

export const notifyTable = z
  .strictObject({
    command: list([], 'A program and its arguments; it gets the message as JSON on stdin. Empty: none.'),
    webhook: form(URL_FORM, '', 'An address that gets the message as JSON by POST. Empty: none.', {
      expects: 'a URL such as "https://example.org/hook"',
      secret: true,
    }),
    ntfy: form(URL_FORM, '', 'A topic of ntfy that gets the message as text. Empty: none.', {
      expects: 'a URL such as "https://ntfy.sh/my-topic"',
      secret: true,
    }),
    ntfy_replies: form(
      VARIABLE,
      '',
      'Name of a secret that holds the URL of a second topic: answers come back over it, see docs/doors.md. Empty: none.',
      { expects: 'the name of a secret such as "NTFY_REPLIES"' },
    ),
    events: choices(NOTICE_EVENTS, TOLD, 'What you are told of.'),
    include_text: flag(
      false,
      'Send title, prompt, labels, summary, error text and the end of what failed too. They may pass servers that are not yours.',
    ),
  })
  .prefault({})
  .meta({ description: 'How you are told when a task needs you or has ended.' })

const HOST = /^[A-Za-z0-9][A-Za-z0-9.-]{0,252}(:\d{1,5})?$/

/** A table of hosts and names of secrets. */
function tokens(description: string) {
  return described(z.record(z.string().regex(HOST), z.string().regex(VARIABLE)).prefault({}), description, {
    expects: 'a table of hosts and names of secrets, such as { "github.com" = "GITHUB_TOKEN" }',
    example: '{ "github.com" = "GITHUB_TOKEN" }',
  })
}

export const repositoriesTable = z
  .strictObject({
    fetch: choice(
      ['daemon', 'node'],
      'daemon',
      'Who fetches a repository by URL. daemon: as its user, once for all tasks; node: each node clones (public giants).',
    ),
    tokens: tokens(
      'For https: the host, and the name of the secret that reads its repositories. Others: [push] tokens, then your git.',
    ),
    submodules: choice(
      ['leave', 'checkout'],
      'leave',
      'leave: empty folders in a workspace; checkout: those of a folder that are here, and those of a url, come along.',
    ),
  })
  .prefault({})
  .meta({ description: 'Where the files of a task come from.' })

export const templatesTable = z
  .strictObject({
    dir: text(
      '',
      'A folder of templates for `tdf submit --template NAME`: NAME.md each. Empty: templates beside this file.',
    ),
  })
  .prefault({})
  .meta({ description: 'Tasks that are written once and submitted by name.' })

export const pushTable = z
  .strictObject({
    default: choice(
      ['never', 'branch', 'pr'],
      'never',
      'What follows a completed task without --push, --pr or --no-push.',
    ),
    tokens: tokens(
      'For https: the host, and the name of the secret that holds its token. No values. Others: as your git is set up.',
    ),
    pr_command: list([], 'Opens the pull request, with facts as TDF_… and the text on stdin. Empty: gh.', {
      example: '["open-merge-request"]',
    }),
    retry_for: duration('24h', 'A push that fails is tried again for so long.', { atLeast: '0s' }),
  })
  .prefault({})
  .meta({ description: 'Pushing the branch of a completed task.' })

const LOGIN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}(?:\[bot\])?$/
const logins = (description: string) =>
  described(z.array(z.string().regex(LOGIN)).max(256).prefault([]), description, {
    expects: 'a list of logins such as ["alice", "review-bot[bot]"]',
  })

export const prTable = z
  .strictObject({
    poll: duration('60s', 'How often a pull request is looked at. What has not changed counts for nothing.', {
      atLeast: '100ms',
    }),
    settle: duration('30s', 'What is red or green has to stay so for this long before anything follows.', {
      atLeast: '0s',
    }),
    draft: flag(false, 'Pull requests are opened as drafts, and drafts are mended, too.'),
    react: choices(['ci', 'review', 'conflict'], ['ci', 'review', 'conflict'], 'What is handed to the agent.'),
    rounds: count(3, [1, 100], 'How often the agent may answer with new commits, without --rounds.'),
    ignore_authors: logins('Whose review threads count for nothing.'),
    allow_authors: logins('Whose review threads count although they may not write to the repository.'),
    command: list([], 'Prints what a pull request is like as JSON, with its address as TDF_PR_URL. Empty: gh.', {
      example: '["look-at-merge-request"]',
    }),
  })
  .prefault({})
  .meta({ description: 'Watching the pull request of a task, with --until.' })

const ATTENTION_EVENTS = ['done', 'failed', 'needs-you'] as const
const apply = 'watch'
const KEYS_MAX = 8

function keys(initial: readonly string[], description: string) {
  const schema = z
    .array(z.string().regex(KEY_FORM))
    .max(KEYS_MAX)
    .prefault([...initial])
  const expects = `a list of at most ${KEYS_MAX} keys such as ["j", "down", "ctrl-d", "space", "enter", "esc"]`
  return described(schema, description, { apply, expects })
}

const sentence = (text: string) => `${text[0]?.toUpperCase()}${text.slice(1)}.`
const rows = KEY_NAMES.map(name => [name, keys(KEY_TABLE[name].keys, sentence(KEY_TABLE[name].help))] as const)

const keysTable = z
  // A key for every row of the table, which `fromEntries` forgets.
  .strictObject(Object.fromEntries(rows) as Record<keyof KeyMap, ReturnType<typeof keys>>)
  .superRefine((map, complaints) => {
    for (const { name, key, other } of clashesOf(map)) {
      const says = `${JSON.stringify(key)} is ${other} there already`
      complaints.addIssue({ code: 'custom', path: [name], params: { says } })
    }
  })
  .prefault({})
  .meta({ description: 'The keys of the dashboard. Ctrl-C always leaves it; an empty list takes a key away.' })

export const tuiTable = z
  .strictObject({
    read_only: flag(false, 'Open it without the keys that change something, as --read-only does.', { apply }),
    theme: choice(
      ['auto', 'dark', 'light'],
      'auto',
      'Colours for a dark or a light background. auto: as the terminal answers, else as COLORFGBG says, else dark.',
      { apply },
    ),
    mouse: flag(true, 'The wheel scrolls and a click chooses. false: the mouse is left to the terminal.', { apply }),
    attention: choice(
      ['none', 'bell', 'osc9'],
      'none',
      'How the dashboard calls for you. bell: by the bell of the terminal; osc9: a notification of the terminal.',
      { apply },
    ),
    attention_on: choices(ATTENTION_EVENTS, ATTENTION_EVENTS, 'What it calls for.', { apply }),
    keys: keysTable,
  })
  .prefault({})
  .meta({ description: 'The dashboard of `tdf watch`, which reads this file when it opens.' })
