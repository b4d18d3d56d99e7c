/** The plan of the house as a test: who imports whom, where clock, dice and SQL live, and how large a file may be. */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'

const ROOTS = ['src', 'daemon', 'commands']
const LINES_MAX = 250
const MEDIAN_MAX = 80

/**
 * Who may import whom: the first row that fits a file counts. A new arrow is a change of the plan: make it here, in the
 * same commit, and say why there.
 */
const MAY_IMPORT: { from: string; may: string[] }[] = [
  { from: 'src/task.ts', may: ['src/facts.ts'] },
  { from: 'src/facts.ts', may: [] },
  // How a wide value is copied cheaply, for the rules that change one in every hop.
  { from: 'src/copy-task.ts', may: ['src/task.ts'] },
  { from: 'src/node.ts', may: [] },
  { from: 'src/errors.ts', may: [] },
  { from: 'src/duration.ts', may: [] },
  { from: 'src/sanitize.ts', may: [] },
  { from: 'src/version.ts', may: [] },
  { from: 'src/world.ts', may: [] },
  { from: 'src/tokens.ts', may: [] },
  { from: 'src/hash-file.ts', may: [] },
  // Memory that is used again, for whoever gathers bytes.
  { from: 'src/room.ts', may: [] },
  // Pure text: options in, units out.
  { from: 'src/systemd/', may: ['src/systemd/'] },
  { from: 'src/install.ts', may: ['src/errors.ts', 'src/world.ts'] },
  { from: 'src/process.ts', may: ['execa'] },
  { from: 'src/git.ts', may: ['src/process.ts'] },
  { from: 'src/paths.ts', may: ['src/errors.ts'] },
  { from: 'src/transport.ts', may: ['src/errors.ts', 'src/node.ts', 'src/room.ts'] },
  {
    // The dashboard: one file draws with Ink, the rest is plain values.
    from: 'src/tui/',
    may: [
      ...[
        'src/tui/',
        'src/protocol/control.ts',
        'src/client.ts',
        'src/event-stream.ts',
        'src/errors.ts',
        'src/task.ts',
      ],
      ...['src/world.ts', 'src/sanitize.ts', 'src/duration.ts', 'src/shorten.ts', 'src/event-text.ts'],
      ...['src/result-text.ts', 'src/reason-text.ts', 'src/step-times.ts', 'src/key-names.ts'],
      // The streams of agents are shown as people read them, as `tdf logs` does.
      ...['src/transcript/', 'ink', 'react', 'string-width'],
    ],
  },
  { from: 'src/result-text.ts', may: ['src/protocol/control.ts', 'src/sanitize.ts'] },
  { from: 'src/step-times.ts', may: ['src/protocol/control.ts'] },
  { from: 'src/shorten.ts', may: ['src/width.ts'] },
  { from: 'src/width.ts', may: ['string-width'] },
  { from: 'src/reason-text.ts', may: [] },
  // The keys of the dashboard by name: bound there, and set by the configuration.
  { from: 'src/key-names.ts', may: [] },
  {
    // What the commands and the dashboard both read and say.
    from: 'src/event-stream.ts',
    may: ['src/client.ts', 'src/errors.ts', 'src/protocol/control.ts', 'src/world.ts', 'eventsource-parser'],
  },
  { from: 'src/event-text.ts', may: ['src/duration.ts', 'src/protocol/control.ts', 'src/sanitize.ts'] },
  { from: 'src/client.ts', may: ['src/errors.ts', 'src/protocol/control.ts', 'src/version.ts'] },
  { from: 'src/agent-client.ts', may: ['src/errors.ts', 'src/protocol/', 'src/transport.ts', 'src/world.ts', 'zod'] },
  { from: 'src/protocol/', may: ['src/protocol/', 'src/errors.ts', 'src/task.ts', 'zod'] },
  { from: 'src/transcript/', may: ['src/transcript/', 'src/protocol/'] },
  {
    from: 'src/config/',
    may: ['src/config/', 'src/errors.ts', 'src/duration.ts', 'src/key-names.ts', 'zod', 'toml-eslint-parser'],
  },
  { from: 'src/observe/', may: ['src/observe/', 'src/errors.ts', 'pino'] },
  {
    from: 'src/store/',
    may: [
      'src/store/',
      'src/task.ts',
      'src/node.ts',
      'src/errors.ts',
      'src/world.ts',
      'src/protocol/control.ts',
      'libsql',
    ],
  },
  // The way to a machine by ssh, and what is brought there; src/node-setup is pure but for the agent's program it reads.
  {
    from: 'src/ssh/',
    may: [
      ...['src/ssh/', 'src/node-setup/', 'src/agent-client.ts', 'src/errors.ts', 'src/process.ts', 'src/transport.ts'],
      ...['src/world.ts'],
    ],
  },
  { from: 'src/node-setup/', may: ['src/node-setup/', 'src/errors.ts', 'src/process.ts', 'src/ssh/target.ts'] },
  {
    from: 'src/providers/',
    may: [
      ...[
        'src/providers/',
        'src/ssh/',
        'src/node-setup/',
        'src/node.ts',
        'src/errors.ts',
        'src/world.ts',
        'src/process.ts',
        'src/transport.ts',
      ],
      // What a cloud answers is parsed like everything that comes from outside.
      ...['src/agent-client.ts', 'src/config/schema.ts', 'zod'],
    ],
  },
  {
    // Shipped alone, in one file, to machines that know nothing of the rest.
    from: 'src/agent/',
    may: [
      ...[
        'src/agent/',
        'src/protocol/',
        'src/transcript/',
        'src/errors.ts',
        'src/world.ts',
        'src/process.ts',
        'src/git.ts',
        'src/room.ts',
      ],
      // The repository's own .tdf.toml is read where it runs.
      ...['hono', '@hono/node-server', 'zod', 'toml-eslint-parser'],
    ],
  },
  {
    from: 'daemon/steps/',
    may: [
      ...[
        'daemon/steps/',
        'daemon/context.ts',
        'daemon/outcome.ts',
        'daemon/verdict.ts',
        'daemon/usage.ts',
        'daemon/results/bring-home.ts',
        'daemon/sessions.ts',
      ],
      ...['src/task.ts', 'src/node.ts', 'src/errors.ts', 'src/protocol/', 'src/agent-client.ts'],
    ],
  },
  {
    from: 'daemon/',
    may: [
      ...['daemon/', 'src/', 'hono', '@hono/node-server', 'node-cron', 'zod'],
      ...['!src/client.ts', '!src/agent/', '!src/tui/', '!src/sanitize.ts'],
    ],
  },
  // `db check|restore` work on the files themselves, under the daemon's own lock.
  { from: 'commands/db-files.ts', may: ['commands/', 'src/', 'commander'] },
  // Ends paid machines when there is no daemon any more.
  { from: 'commands/reap-run.ts', may: ['commands/', 'src/', '!src/store/', 'commander'] },
  { from: 'commands/daemon-run.ts', may: ['commands/', 'daemon/main.ts', 'src/'] },
  {
    from: 'commands/',
    may: ['commands/', 'src/', 'commander', '!src/store/', '!src/providers/', '!src/agent/', '!src/agent-client.ts'],
  },
]

/** Words that belong to one place. */
const PLACES: { what: string; pattern: RegExp; only: RegExp; instead: string }[] = [
  {
    what: 'the clock, dice or timers',
    pattern:
      /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|(?<![.\w])set(?:Timeout|Interval|Immediate)\(|\brandomBytes\(|\brandomUUID\(|\bperformance\.now\(/,
    only: /^src\/world\.ts$/,
    instead: 'take `now` as a value, or use World from src/world.ts',
  },
  {
    what: 'processes',
    pattern: /from 'node:child_process'|from 'execa'/,
    only: /^src\/process\.ts$/,
    instead: 'use src/process.ts',
  },
  {
    what: 'SQL',
    pattern: /['"`]\s*(?:select\s.+\sfrom|insert (?:or \w+ )?into|update \w+ set|delete from|create table|pragma)\b/i,
    only: /^src\/store\//,
    instead: 'add a named function in src/store',
  },
  {
    what: 'the console',
    pattern: /\bconsole\.\w+\(/,
    only: /^$/,
    instead: 'commands print through commands/cli.ts, the daemon logs',
  },
  {
    what: 'the end of the process',
    pattern: /\bprocess\.exit\(/,
    only: /^(commands\/(begin|daemon-run)|src\/agent\/main)\.ts$/,
    instead: 'throw; commands/run.ts decides how it ends',
  },
]

interface Source {
  name: string
  text: string
  imports: string[]
}

const sources: Source[] = ROOTS.flatMap(filesOf).map(name => {
  const text = readFileSync(name, 'utf8')
  return { name, text, imports: importsOf(name, text) }
})

function filesOf(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap(entry => {
    const name = `${folder}/${entry.name}`
    return entry.isDirectory() ? filesOf(name) : /\.tsx?$/.test(entry.name) ? [name] : []
  })
}

/** Every static or dynamic import, as a path from the root or a package name; Node's own modules are left out. */
function importsOf(name: string, text: string): string[] {
  const specifiers = [...text.matchAll(/(?:^|[\s}])(?:from|import)\s*\(?\s*'([^'\s]+)'/gm)].map(match => match[1] ?? '')
  return specifiers.flatMap(specifier => {
    if (specifier.startsWith('node:')) return []
    if (specifier.startsWith('.')) return [path.posix.join(path.posix.dirname(name), specifier)]
    return [specifier.startsWith('@') ? specifier.split('/').slice(0, 2).join('/') : (specifier.split('/')[0] ?? '')]
  })
}

const fits = (target: string, rule: string) => (rule.endsWith('/') ? target.startsWith(rule) : target === rule)

function isAllowed(target: string, may: string[]): boolean {
  const banned = may.some(rule => rule.startsWith('!') && fits(target, rule.slice(1)))
  return !banned && may.some(rule => fits(target, rule))
}

describe('the house', () => {
  it('has every import in its table', () => {
    const strays = sources.flatMap(({ name, imports }) => {
      const row = MAY_IMPORT.find(({ from }) => fits(name, from))
      if (!row) return [`${name}: no row of the table is about it`]
      return imports.filter(target => !isAllowed(target, row.may)).map(target => `${name} may not import ${target}`)
    })
    expect(strays).toEqual([])
  })

  it('has each thing of the outside in its one place', () => {
    const strays = sources.flatMap(({ name, text }) =>
      PLACES.filter(({ pattern, only }) => !only.test(name) && pattern.test(withoutComments(text))).map(
        ({ what, instead }) => `${name} has ${what}: ${instead}`,
      ),
    )
    expect(strays).toEqual([])
  })

  it(`has no file over ${LINES_MAX} lines, and half of them under ${MEDIAN_MAX}`, () => {
    const sizes = sources.map(({ name, text }) => ({ name, lines: text.split('\n').length - 1 }))
    expect(sizes.filter(({ lines }) => lines > LINES_MAX)).toEqual([])
    const sorted = sizes.map(({ lines }) => lines).sort((a, b) => a - b)
    expect(sorted[Math.floor(sorted.length / 2)]).toBeLessThanOrEqual(MEDIAN_MAX)
  })

  it('has tests that say what they are and all of which run', () => {
    const tests = filesOf('test').filter(name => /\.test\.tsx?$/.test(name) && name !== 'test/tidy.test.ts')
    const strays = tests.flatMap(name => {
      const text = readFileSync(name, 'utf8')
      const isFocused = /\b(?:it|test|describe)\.(?:only|skip|todo|skipIf)\b/.test(text)
      return [
        ...(isFocused ? [`${name}: skips or focuses`] : []),
        ...(/\bexpect|\.suite\.ts'/.test(text) ? [] : [`${name}: expects nothing`]),
      ]
    })
    expect(strays).toEqual([])
  })
})

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1')
}
