/** The plan of the house as a test: its rooms, who imports whom, where clock, dice and SQL live, and how large a part may be. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Arrow, circlesIn, isAllowed, longFunctionsIn, rowOf, type Source, sourcesIn } from './house.ts'
import { ROWS } from './mutate/suites.ts'

const ROOTS = ['src', 'daemon', 'commands']
const ENTRIES_MAX = 12
const LINES_MAX = 250
const LINES_MIN = 20
const FUNCTION_LINES_MAX = 70

/** Where programs begin, and borders of loading: what is loaded by `import()` is not merged into its importer. */
const SHORT: Record<string, string> = {
  'commands/main.ts': 'where the program begins',
  'commands/quick.ts': 'where the program begins when it needs nothing',
  'commands/setup/doctor.ts': 'a command whose work loads when it runs',
  'commands/setup/first/init.ts': 'a command whose work loads when it runs',
  'commands/setup/first/quickstart.ts': 'a command whose work loads when it runs',
  'commands/nodes/agents.ts': 'a command whose work loads when it runs',
  'commands/observe/cost.ts': 'a command whose work loads when it runs',
  'commands/nodes/reap.ts': 'a command whose work loads when it runs',
  'src/platform/version.ts': 'written by the build',
}

const CORE = ['src/core/', 'src/protocol/', 'src/config/schema/']

/**
 * Who may import whom: the first row that fits a file counts. A new arrow is a change of the plan: make it here, in the
 * same commit, and say why there.
 */
const MAY_IMPORT: Arrow[] = [
  { from: 'src/core/', may: ['src/core/'] },
  { from: 'src/platform/world.ts', may: [] },
  // The modes of the files that a program makes are settled at its start.
  { from: 'src/platform/run.ts', may: ['execa', 'src/platform/files.ts', 'src/platform/process.ts'] },
  { from: 'src/platform/', may: ['src/platform/', 'src/core/', 'src/text/', 'pino'] },
  { from: 'src/protocol/', may: ['src/protocol/', 'src/core/', 'zod'] },
  // Tasks, and the schedules that they come from, in words.
  {
    from: 'src/text/',
    may: ['src/text/', 'src/core/', 'src/protocol/control.ts', 'src/protocol/upkeep.ts', 'string-width'],
  },
  // An agent's line may be wrapped in what a terminal would obey.
  { from: 'src/transcript/', may: ['src/transcript/', 'src/protocol/', 'src/text/sanitize.ts'] },
  // The options of a template are YAML, as in the front matter of other programs.
  { from: 'src/config/', may: ['src/config/', 'src/core/', 'zod', 'toml-eslint-parser', 'yaml'] },
  {
    from: 'src/clients/',
    // Node 20 knows no proxy: undici is its own client, with one.
    may: ['src/clients/', 'src/core/', 'src/platform/', 'src/protocol/', 'zod', 'eventsource-parser', 'undici'],
  },
  {
    from: 'src/store/',
    // The state may live in a PostgreSQL that daemons share. Costs are summed up by the kinds that one can ask for.
    may: [
      ...['src/store/', 'src/core/', 'src/platform/', 'libsql', 'pg'],
      ...['src/protocol/control.ts', 'src/protocol/upkeep.ts'],
    ],
  },
  // Pure text: options in, units out.
  { from: 'src/systemd/', may: ['src/systemd/'] },
  // What a cloud answers is parsed like everything that comes from outside. How far an upload is, is told in words.
  {
    from: 'src/machines/',
    may: [
      ...['src/machines/', 'src/core/', 'src/platform/', 'src/clients/', 'src/config/schema/', 'zod'],
      'src/text/progress/how-far.ts',
    ],
  },
  {
    // The dashboard: one file draws with Ink, the rest is plain values. Of the wire: what every program of tdf is told
    // of tasks and of schedules, and what it alone is.
    from: 'src/tui/',
    may: [
      ...['src/tui/', 'src/clients/', 'src/core/', 'src/platform/world.ts', 'src/text/'],
      ...['src/protocol/control.ts', 'src/protocol/screen.ts', 'src/protocol/upkeep.ts'],
      // The streams of agents are shown as people read them, as `tdf logs` does.
      ...['src/transcript/', 'ink', 'react', 'string-width'],
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
        'src/core/',
        'src/platform/',
        // What programs of the repository print goes into messages that end up on a terminal.
        'src/text/sanitize.ts',
        // And how far a clone or an upload is, is told on.
        'src/text/progress/how-far.ts',
        'src/clients/growing-buffer.ts',
      ],
      // The repository's own .tdf.toml is read where it runs, as it was where it was allowed.
      ...['hono', '@hono/node-server', 'zod', 'src/config/repository-file.ts'],
      // What its globs name is looked for where the files are.
      'src/config/glob.ts',
    ],
  },
  // The pure core: what a task becomes after an outcome. No step, no client, no HTTP, no SQL, no clock; the wording of a
  // wait is text, and stands where people look for texts.
  {
    from: 'daemon/engine/rules/',
    may: ['daemon/engine/rules/', 'src/text/waiting.ts', 'src/text/steps.ts', ...CORE],
  },
  // The same for what a node becomes.
  {
    from: 'daemon/nodes/rules/',
    may: ['daemon/nodes/rules/', 'src/text/waiting.ts', 'src/core/', 'src/config/schema/'],
  },
  {
    from: 'daemon/steps/',
    may: [
      'daemon/steps/',
      'daemon/engine/rules/',
      'daemon/results/results.ts',
      'daemon/results/bring-home.ts',
      ...CORE,
      'src/text/waiting.ts',
      'src/clients/agent.ts',
      // The score of a pick is the end of what it printed.
      'src/clients/log-end.ts',
      'src/store/tables/',
    ],
  },
  {
    from: 'daemon/',
    may: [
      // When a schedule comes next, in its zone.
      ...['daemon/', 'src/', 'hono', '@hono/node-server', 'node-cron', 'croner', 'zod'],
      ...['!src/clients/control.ts', '!src/agent/', '!src/tui/', '!src/text/sanitize.ts'],
    ],
  },
  // `db check|restore` work on the files themselves, under the daemon's own lock.
  { from: 'commands/daemon/db/run.ts', may: ['commands/', 'src/', 'commander'] },
  // `db export|import` too, and on the database that daemons share while none serves.
  { from: 'commands/daemon/db/move.ts', may: ['commands/', 'src/', 'commander'] },
  { from: 'commands/daemon/db/shared.ts', may: ['commands/', 'src/', 'commander'] },
  // The key file is looked at by the same rules by which the daemon reads it, also while there is none.
  { from: 'commands/setup/doctor/key.ts', may: ['commands/', 'src/', 'commander'] },
  // Ends paid machines when there is no daemon any more.
  { from: 'commands/nodes/reap-run.ts', may: ['commands/', 'src/', '!src/store/', 'commander'] },
  { from: 'commands/daemon/run.ts', may: ['commands/', 'daemon/main.ts', 'src/'] },
  // The protocol of agents is that of its own library; what they send is parsed like everything that comes from outside.
  {
    from: 'commands/tasks/mcp/',
    may: [
      'commands/',
      'src/',
      'commander',
      'zod',
      '@modelcontextprotocol/sdk',
      '!src/store/',
      '!src/machines/',
      '!src/agent/',
      '!src/clients/agent.ts',
    ],
  },
  {
    from: 'commands/',
    may: ['commands/', 'src/', 'commander', '!src/store/', '!src/machines/', '!src/agent/', '!src/clients/agent.ts'],
  },
]

/** Words that belong to one place. */
const PLACES: { what: string; pattern: RegExp; only: RegExp; instead: string }[] = [
  {
    what: 'the clock, dice or timers',
    pattern:
      /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|(?<![.\w])set(?:Timeout|Interval|Immediate)\(|\brandomBytes\(|\brandomUUID\(|\bperformance\.now\(/,
    only: /^src\/platform\/world\.ts$/,
    instead: 'take `now` as a value, or use World from src/platform/world.ts',
  },
  {
    what: 'processes',
    pattern: /from 'node:child_process'|from 'execa'/,
    only: /^src\/platform\/(process|run)\.ts$/,
    instead: 'use src/platform/run.ts or process.ts',
  },
  {
    what: 'a rename',
    pattern: /\brename(?:Sync)?\(/,
    only: /^src\/platform\/files\.ts$/,
    instead: 'use what src/platform/files.ts has: a rename alone is not there after a power cut',
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
    only: /^(commands\/(run|daemon\/run)|src\/agent\/main)\.ts$/,
    instead: 'throw; commands/run.ts decides how it ends',
  },
]

const sources: Source[] = ROOTS.flatMap(sourcesIn)
const linesOf = ({ text }: Source) => text.split('\n').length - 1

describe('the house', () => {
  it('has every import in its table', () => {
    const strays = sources.flatMap(({ name, imports }) => {
      const row = rowOf(MAY_IMPORT, name)
      if (!row) return [`${name}: no row of the table is about it`]
      return imports.filter(target => !isAllowed(target, row.may)).map(target => `${name} may not import ${target}`)
    })
    expect(strays).toEqual([])
  })

  it('has no circle of imports', () => {
    expect(circlesIn(sources)).toEqual([])
  })

  it('has each thing of the outside in its one place', () => {
    const strays = sources.flatMap(({ name, text }) =>
      PLACES.filter(({ pattern, only }) => !only.test(name) && pattern.test(withoutComments(text))).map(
        ({ what, instead }) => `${name} has ${what}: ${instead}`,
      ),
    )
    expect(strays).toEqual([])
  })

  it(`has no folder of more than ${ENTRIES_MAX} entries`, () => {
    const full = [...ROOTS, 'bin', 'test'].flatMap(foldersOf).filter(({ entries }) => entries > ENTRIES_MAX)
    expect(full).toEqual([])
  })

  it(`has no file over ${LINES_MAX} lines, and none under ${LINES_MIN} that is no entry and no border of loading`, () => {
    expect(sources.filter(source => linesOf(source) > LINES_MAX).map(({ name }) => name)).toEqual([])
    const crumbs = sources.filter(source => linesOf(source) < LINES_MIN).map(({ name }) => name)
    expect(crumbs.filter(name => !(name in SHORT))).toEqual([])
    expect(Object.keys(SHORT).filter(name => !crumbs.includes(name))).toEqual([])
  })

  it(`has no function over ${FUNCTION_LINES_MAX} lines`, () => {
    expect(sources.flatMap(source => longFunctionsIn(source, FUNCTION_LINES_MAX))).toEqual([])
  })

  it('has tests that say what they are and all of which run', () => {
    const tests = filesOf('test').filter(name => /\.test\.tsx?$/.test(name) && !name.startsWith('test/repo/'))
    const strays = tests.flatMap(name => {
      const text = readFileSync(name, 'utf8')
      const isFocused = /\b(?:it|test|describe)\.(?:only|skip|todo|skipIf|runIf)\b/.test(text)
      return [
        ...(isFocused ? [`${name}: skips or focuses`] : []),
        ...(/\bexpect|\.suite\.ts'/.test(text) ? [] : [`${name}: expects nothing`]),
      ]
    })
    expect(strays).toEqual([])
  })

  it('has every room and every suite that mutants are judged by', () => {
    const named = ROWS.flatMap(({ room, suites, slow = [] }) => [room, ...suites, ...slow])
    expect(named.filter(name => !existsSync(name))).toEqual([])
  })
})

function filesOf(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap(entry => {
    const name = path.posix.join(folder, entry.name)
    return entry.isDirectory() ? filesOf(name) : [name]
  })
}

/** Golden files and fixtures are data: a row for each text or stream. */
function foldersOf(folder: string): { folder: string; entries: number }[] {
  if (/^test\/(golden|fixtures)\b|__snapshots__/.test(folder)) return []
  const entries = readdirSync(folder, { withFileTypes: true })
  const inner = entries.filter(entry => entry.isDirectory()).flatMap(({ name }) => foldersOf(`${folder}/${name}`))
  return [{ folder, entries: entries.length }, ...inner]
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1')
}
