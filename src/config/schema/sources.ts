/** `[[sources]]`: trackers whose issues become tasks when somebody who may write sets a label. */
import { z } from 'zod'
import { choices, count, described, duration, form, HTTP_URL, list, text } from './kinds.ts'

const SOURCE_KINDS = ['github', 'gitlab', 'forgejo', 'linear', 'command'] as const

const NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/
/** `owner/name`, a group of groups, the key of a team; of a command anything in one line. */
const PROJECT = /^[^\s/][^\r\n\0]{0,199}$/
const LOGIN = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,99}(?:\[bot\])?$/
const FIELD = { expects: 'a name of small letters, digits, "_" and "-"' }

const source = z
  .strictObject({
    name: described(z.string().regex(NAME), 'What it is called in `tdf source ls` and in the label of its tasks.', {
      ...FIELD,
      example: 'web',
    }),
    kind: described(z.enum(SOURCE_KINDS), 'Which tracker it is; command: a program of yours.', {
      expects: `one of ${SOURCE_KINDS.map(kind => JSON.stringify(kind)).join(', ')}`,
      choices: SOURCE_KINDS,
      example: 'github',
    }),
    project: form(PROJECT, '', 'The repository there, such as "acme/web"; of Linear, the key of a team.', {
      expects: 'a project such as "acme/web"',
      example: 'acme/web',
    }),
    label: text('tdf', 'An issue that carries this label becomes a task.'),
    template: described(
      z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/),
      'Says what the task is; see [templates].',
      {
        expects: 'the name of a template, such as "fix-issue"',
        example: 'fix-issue',
      },
    ),
    poll: duration('60s', 'How often it is looked at. What has not changed counts for nothing at GitHub.', {
      atLeast: '100ms',
    }),
    at_most: count(2, [1, 1_000], 'So many of its tasks go on at a time; the other issues wait for their turn.'),
    from: described(
      z
        .array(z.union([z.literal('members'), z.string().regex(LOGIN)]))
        .min(1)
        .max(256)
        .prefault(['members']),
      'Whose labels count. members: who may write to the project; else logins.',
      { expects: 'a list such as ["members"] or ["alice", "triage[bot]"]' },
    ),
    on_close: described(
      z.enum(['go-on', 'cancel']).prefault('go-on'),
      'A running task whose issue is closed or loses the label. One that has not begun is cancelled.',
      { expects: 'one of "go-on", "cancel"', choices: ['go-on', 'cancel'] },
    ),
    writes: choices(
      ['comments', 'labels', 'fixes'],
      [],
      'What it is told. comments: start and end; labels: tdf:running, then done or needs-you; fixes: in the PR.',
    ),
    token: form(
      VARIABLE,
      '',
      'The name of the secret that holds its token. Empty: as [push] tokens says, else the login of gh.',
      {
        expects: 'the name of a secret, such as "LINEAR_API_KEY"',
      },
    ),
    endpoint: form(HTTP_URL, '', 'Another server of that kind: where its API is.', {
      expects: 'a URL such as "https://git.example/api/v1"',
    }),
    command: list([], 'Of kind "command": gets list, comment or label as its last argument.'),
  })
  .meta({ description: 'A tracker whose issues become tasks.' })

export const sourcesList = described(
  z.array(source).max(100).superRefine(checkSources).prefault([]),
  'Trackers whose issues become tasks when they get a label. One [[sources]] for each.',
  { expects: 'a list of tables' },
)

interface Complaints {
  addIssue(issue: { code: 'custom'; path: (string | number)[]; params: { says: string } }): void
}

type Checked = Record<'name' | 'kind' | 'project' | 'label' | 'endpoint', string> & { command: readonly string[] }

/** Each has a name of its own, and what its kind needs. */
function checkSources(sources: readonly Checked[], complaints: Complaints): void {
  for (const [index, { name, kind, project, label, endpoint, command }] of sources.entries()) {
    const complain = (key: keyof Checked, says: string) =>
      complaints.addIssue({ code: 'custom', path: [index, key], params: { says } })
    const twin = sources.findIndex(other => other.name === name)
    const called = `source "${name}"`
    if (twin < index) complain('name', `${called} is already there, as number ${twin + 1} of the list`)
    if (label.trim() === '' || /[,\r\n\0]/.test(label)) complain('label', `${called} needs a label without a comma`)
    if (kind === 'command') {
      if (command.length === 0) complain('command', `${called} needs its command, such as ["tracker"]`)
      continue
    }
    if (command.length > 0) complain('command', `${called} is of kind "${kind}", which has no command`)
    if (project === '') complain('project', `${called} needs its project`)
    const isPath = kind === 'linear' ? /^[A-Za-z0-9]{1,20}$/ : /^[A-Za-z0-9_.-]+(\/[A-Za-z0-9_.-]+)+$/
    if (project !== '' && !isPath.test(project)) {
      complain('project', `${called} needs a project such as ${kind === 'linear' ? '"ENG"' : '"acme/web"'}`)
    }
    if (kind === 'forgejo' && endpoint === '') {
      complain('endpoint', `${called} needs its endpoint, such as "https://git.example/api/v1"`)
    }
  }
}
