/** The one schema of the configuration: every key, its default, its limits and what it means. */

import { z } from 'zod'
import { emptyTable, isTable, type Table } from '../load/tree.ts'
import { agentsTable, BUILT_IN_AGENTS } from './agents.ts'
import { choice, duration, form, HTTP_URL, parseListen, size } from './kinds.ts'
import { hetznerTable, localTable, staticTable } from './providers.ts'
import { type Camelized, camelized } from './shape.ts'
import {
  backupsTable,
  diskTable,
  nodesTable,
  notifyTable,
  pushTable,
  retentionTable,
  runnerTable,
  sweepsTable,
  tuiTable,
} from './tables.ts'

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const

const LOOPBACK = /^(localhost|127(?:\.\d{1,3}){3}|::1)$/

const daemonTable = z
  .strictObject({
    metrics_listen: form(
      { test: text => LOOPBACK.test(parseListen(text)?.host ?? '') },
      '',
      'Also serve /metrics and /health here, on loopback. Empty: on the socket alone.',
      { apply: 'restart', expects: 'a loopback address such as "127.0.0.1:9433"' },
    ),
    log_level: choice(LOG_LEVELS, 'info', 'What the daemon writes to its log: this level and all that are worse.'),
  })
  .prefault({})
  .meta({ description: 'The daemon itself.' })

const callbacksTable = z
  .strictObject({
    listen: form(
      { test: text => parseListen(text) !== undefined },
      '127.0.0.1:7433',
      'Where nodes report to. Port 0: a free port, chosen once and kept. No host: loopback only.',
      { apply: 'restart', expects: 'an address such as "127.0.0.1:7433" or ":0"' },
    ),
    url: form(HTTP_URL, '', 'What nodes are told instead of that address, when a proxy or a tunnel is in between.', {
      apply: 'restart',
      expects: 'a URL such as "https://tdf.example.org"',
    }),
  })
  .prefault({})
  .meta({ description: 'The only port that is open to nodes.' })

const resultsTable = z
  .strictObject({
    salvage_max_bytes: size(
      '256MiB',
      'For all uncommitted files of a run together: the smallest are saved, and every other is named.',
      {
        apply: 'restart',
      },
    ),
    trailer: form(
      /^([A-Za-z][A-Za-z0-9-]*: \P{Cc}{1,300})?$/u,
      'Assisted-by: {agent} (task {task} of tdf)',
      'Stands at the end of commit messages; their author is yours. {agent} and {task} are filled in. Empty: none.',
      { expects: 'a trailer of git such as "Assisted-by: {agent}", or an empty string' },
    ),
    checkpoint_interval: duration(
      '5m',
      'What an agent has done so far is saved this often, so that a lost machine loses little. "0s": only at its end.',
      { atLeast: '0s' },
    ),
    log_max_bytes: size('64MiB', "The log of an agent's session is kept up to this size.", { apply: 'restart' }),
  })
  .prefault({})
  .meta({ description: 'What comes home from a node.' })

export const configSchema = z.strictObject({
  daemon: daemonTable,
  callbacks: callbacksTable,
  runner: runnerTable,
  nodes: nodesTable,
  sweeps: sweepsTable,
  results: resultsTable,
  push: pushTable,
  disk: diskTable,
  backups: backupsTable,
  retention: retentionTable,
  notify: notifyTable,
  tui: tuiTable,
  providers: z.strictObject({ local: localTable, static: staticTable, hetzner: hetznerTable }).prefault({}),
  agents: agentsTable,
})

/** As it stands in a file, with durations in ms and sizes in bytes. */
export type RawConfig = z.output<typeof configSchema>

/** What the rest of tdf sees: the same tree with names in camelCase. Durations are ms, sizes bytes. */
export type Config = Camelized<RawConfig>
export type StaticNodeConfig = Config['providers']['static']['nodes'][number]

export function toConfig(raw: RawConfig): Config {
  return camelized(configSchema, raw)
}

/** The same tree with the agents in it that need no table. A tree that is wrong there stays as it is, for the schema to refuse. */
export function withBuiltInAgents(tree: Table): Table {
  const given = tree.agents ?? {}
  if (!isTable(given)) return tree
  const agents = emptyTable()
  for (const type of BUILT_IN_AGENTS) agents[type] = { type }
  for (const [name, own] of Object.entries(given)) {
    agents[name] = isTable(own) ? { ...Object(agents[name]), ...own } : own
  }
  return { ...tree, agents }
}

export function defaultConfig(): Config {
  return toConfig(configSchema.parse(withBuiltInAgents({})))
}
