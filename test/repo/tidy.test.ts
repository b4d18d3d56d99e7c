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
  { from: 'src/core/task.ts', may: ['src/core/facts.ts'] },
  { from: 'src/core/facts.ts', may: [] },
  // How a wide value is copied cheaply, for the rules that change one in every hop.
  { from: 'src/core/copy-task.ts', may: ['src/core/task.ts'] },
  { from: 'src/core/node.ts', may: [] },
  { from: 'src/core/errors.ts', may: [] },
  { from: 'src/core/duration.ts', may: [] },
  { from: 'src/text/sanitize.ts', may: [] },
  { from: 'src/platform/version.ts', may: [] },
  { from: 'src/platform/world.ts', may: [] },
  { from: 'src/platform/tokens.ts', may: [] },
  { from: 'src/platform/hash-file.ts', may: [] },
  // Memory that is used again, for whoever gathers bytes.
  { from: 'src/clients/growing-buffer.ts', may: [] },
  // Pure text: options in, units out.
  { from: 'src/systemd/', may: ['src/systemd/'] },
  { from: 'src/platform/install.ts', may: ['src/core/errors.ts', 'src/platform/world.ts'] },
  { from: 'src/platform/process.ts', may: ['execa'] },
  { from: 'src/platform/git.ts', may: ['src/platform/process.ts'] },
  { from: 'src/platform/paths.ts', may: ['src/core/errors.ts'] },
  {
    from: 'src/clients/transport.ts',
    may: ['src/core/errors.ts', 'src/core/node.ts', 'src/clients/growing-buffer.ts'],
  },
  {
    // The dashboard: one file draws with Ink, the rest is plain values.
    from: 'src/tui/',
    may: [
      ...[
        'src/tui/',
        'src/protocol/control.ts',
        'src/clients/control.ts',
        'src/clients/events.ts',
        'src/core/errors.ts',
        'src/core/task.ts',
      ],
      ...[
        'src/platform/world.ts',
        'src/text/sanitize.ts',
        'src/core/duration.ts',
        'src/text/width.ts',
        'src/text/events.ts',
      ],
      ...['src/text/tasks.ts', 'src/text/tasks.ts', 'src/text/events.ts', 'src/core/keys.ts'],
      // The streams of agents are shown as people read them, as `tdf logs` does.
      ...['src/transcript/', 'ink', 'react', 'string-width'],
    ],
  },
  { from: 'src/text/tasks.ts', may: ['src/protocol/control.ts', 'src/text/sanitize.ts'] },
  { from: 'src/text/events.ts', may: ['src/protocol/control.ts'] },
  { from: 'src/text/width.ts', may: ['src/text/width.ts'] },
  { from: 'src/text/width.ts', may: ['string-width'] },
  { from: 'src/text/tasks.ts', may: [] },
  // The keys of the dashboard by name: bound there, and set by the configuration.
  { from: 'src/core/keys.ts', may: [] },
  {
    // What the commands and the dashboard both read and say.
    from: 'src/clients/events.ts',
    may: [
      'src/clients/control.ts',
      'src/core/errors.ts',
      'src/protocol/control.ts',
      'src/platform/world.ts',
      'eventsource-parser',
    ],
  },
  { from: 'src/text/events.ts', may: ['src/core/duration.ts', 'src/protocol/control.ts', 'src/text/sanitize.ts'] },
  { from: 'src/clients/control.ts', may: ['src/core/errors.ts', 'src/protocol/control.ts', 'src/platform/version.ts'] },
  {
    from: 'src/clients/agent.ts',
    may: ['src/core/errors.ts', 'src/protocol/', 'src/clients/transport.ts', 'src/platform/world.ts', 'zod'],
  },
  { from: 'src/protocol/', may: ['src/protocol/', 'src/core/errors.ts', 'src/core/task.ts', 'zod'] },
  { from: 'src/transcript/', may: ['src/transcript/', 'src/protocol/'] },
  {
    from: 'src/config/',
    may: ['src/config/', 'src/core/errors.ts', 'src/core/duration.ts', 'src/core/keys.ts', 'zod', 'toml-eslint-parser'],
  },
  { from: 'src/observe/', may: ['src/observe/', 'src/core/errors.ts', 'pino'] },
  {
    from: 'src/store/',
    may: [
      'src/store/',
      'src/core/task.ts',
      'src/core/node.ts',
      'src/core/errors.ts',
      'src/platform/world.ts',
      'src/protocol/control.ts',
      'libsql',
    ],
  },
  // The way to a machine by ssh, and what is brought there; src/node-setup is pure but for the agent's program it reads.
  {
    from: 'src/ssh/',
    may: [
      ...[
        'src/ssh/',
        'src/node-setup/',
        'src/clients/agent.ts',
        'src/core/errors.ts',
        'src/platform/process.ts',
        'src/clients/transport.ts',
      ],
      ...['src/platform/world.ts'],
    ],
  },
  {
    from: 'src/node-setup/',
    may: ['src/node-setup/', 'src/core/errors.ts', 'src/platform/process.ts', 'src/machines/ssh/target.ts'],
  },
  {
    from: 'src/providers/',
    may: [
      ...[
        'src/providers/',
        'src/ssh/',
        'src/node-setup/',
        'src/core/node.ts',
        'src/core/errors.ts',
        'src/platform/world.ts',
        'src/platform/process.ts',
        'src/clients/transport.ts',
      ],
      // What a cloud answers is parsed like everything that comes from outside.
      ...['src/clients/agent.ts', 'src/config/schema/schema.ts', 'zod'],
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
        'src/core/errors.ts',
        'src/platform/world.ts',
        'src/platform/process.ts',
        'src/platform/git.ts',
        'src/clients/growing-buffer.ts',
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
        'daemon/engine/rules/step.ts',
        'daemon/engine/rules/outcome.ts',
        'daemon/steps/verdict.ts',
        'daemon/engine/rules/usage.ts',
        'daemon/results/bring-home.ts',
        'src/core/task.ts',
      ],
      ...['src/core/task.ts', 'src/core/node.ts', 'src/core/errors.ts', 'src/protocol/', 'src/clients/agent.ts'],
    ],
  },
  {
    from: 'daemon/',
    may: [
      ...['daemon/', 'src/', 'hono', '@hono/node-server', 'node-cron', 'zod'],
      ...['!src/clients/control.ts', '!src/agent/', '!src/tui/', '!src/text/sanitize.ts'],
    ],
  },
  // `db check|restore` work on the files themselves, under the daemon's own lock.
  { from: 'commands/daemon/db-run.ts', may: ['commands/', 'src/', 'commander'] },
  // Ends paid machines when there is no daemon any more.
  { from: 'commands/nodes/reap-run.ts', may: ['commands/', 'src/', '!src/store/', 'commander'] },
  { from: 'commands/daemon/run.ts', may: ['commands/', 'daemon/main.ts', 'src/'] },
  {
    from: 'commands/',
    may: ['commands/', 'src/', 'commander', '!src/store/', '!src/providers/', '!src/agent/', '!src/clients/agent.ts'],
  },
]

/** Words that belong to one place. */
const PLACES: { what: string; pattern: RegExp; only: RegExp; instead: string }[] = [
  {
    what: 'the clock, dice or timers',
    pattern:
      /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|(?<![.\w])set(?:Timeout|Interval|Immediate)\(|\brandomBytes\(|\brandomUUID\(|\bperformance\.now\(/,
    only: /^src\/world\.ts$/,
    instead: 'take `now` as a value, or use World from src/platform/world.ts',
  },
  {
    what: 'processes',
    pattern: /from 'node:child_process'|from 'execa'/,
    only: /^src\/process\.ts$/,
    instead: 'use src/platform/process.ts',
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
    instead: 'commands print through commands/cli/cli.ts, the daemon logs',
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
    const tests = filesOf('test').filter(name => /\.test\.tsx?$/.test(name) && name !== 'test/repo/tidy.test.ts')
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
