/** The tables of the configuration put together, and the configuration as the rest of tdf sees it. Keys: settings.ts. */
import { z } from 'zod'
import { emptyTable, isTable, type Table } from '../load/tree.ts'
import { agentsTable, BUILT_IN_AGENTS } from './agents.ts'
import { budgetsTable } from './budgets.ts'
import { clusterTable, storeTable } from './cluster.ts'
import { notifyTable, prTable, pushTable, repositoriesTable, templatesTable, tuiTable } from './outward.ts'
import { hetznerTable, localTable, staticTable } from './providers.ts'
import {
  backupsTable,
  callbacksTable,
  daemonTable,
  diskTable,
  nodesTable,
  resultsTable,
  retentionTable,
  runnerTable,
  sweepsTable,
} from './settings.ts'
import { type Camelized, camelized } from './shape.ts'
import { sourcesList } from './sources.ts'

export const configSchema = z.strictObject({
  daemon: daemonTable,
  callbacks: callbacksTable,
  runner: runnerTable,
  nodes: nodesTable,
  sweeps: sweepsTable,
  repositories: repositoriesTable,
  templates: templatesTable,
  results: resultsTable,
  push: pushTable,
  pr: prTable,
  budgets: budgetsTable,
  store: storeTable,
  cluster: clusterTable,
  disk: diskTable,
  backups: backupsTable,
  retention: retentionTable,
  notify: notifyTable,
  tui: tuiTable,
  providers: z.strictObject({ local: localTable, static: staticTable, hetzner: hetznerTable }).prefault({}),
  sources: sourcesList,
  agents: agentsTable,
})

/** As it stands in a file, with durations in ms and sizes in bytes. */
export type RawConfig = z.output<typeof configSchema>

/** What the rest of tdf sees: the same tree with names in camelCase. Durations are ms, sizes bytes. */
export type Config = Camelized<RawConfig>
export type SourceConfig = Config['sources'][number]
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
