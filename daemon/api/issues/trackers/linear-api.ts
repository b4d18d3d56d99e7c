/** What Linear's GraphQL API is asked for: linear.app/developers/graphql. */
import { z } from 'zod'
import { asTdfError, TdfError } from '../../../../src/core/errors.ts'
import { shaped, unavailable } from '../../../results/push/watch/view.ts'
import { callsByHttp } from './calls.ts'
import { type Asking, those } from './tracker.ts'

const PAGE = 50
const PAGES_MAX = 20
/** Of all types together. */
const RELATIONS_MAX = 100
/** Of a personal key; a token of OAuth is a bearer's. */
const KEY = /^lin_api_/

const LIST = `query($team:String!,$label:String!,$after:String){issues(first:${PAGE},after:$after,orderBy:createdAt,filter:{team:{key:{eq:$team}},labels:{name:{eqIgnoreCase:$label}},state:{type:{nin:["completed","canceled"]}}}){pageInfo{hasNextPage endCursor}nodes{identifier title url updatedAt labels{nodes{name}}}}}`
const HISTORY = `query($id:String!,$after:String){issue(id:$id){creator{displayName guest active}history(first:${PAGE},after:$after){pageInfo{hasNextPage endCursor}nodes{id createdAt actor{displayName guest active}addedLabels{name}removedLabels{name}}}}}`
const ISSUE = `query($id:String!){issue(id:$id){id description state{type}team{id key}labels{nodes{id name}}comments(last:${PAGE}){nodes{body createdAt user{displayName}}}}}`
/** `blocks` leads from the issue that blocks to the one that is blocked. */
const BLOCKERS = `query($id:String!){issue(id:$id){inverseRelations(first:${RELATIONS_MAX}){nodes{type issue{identifier state{type}}}}}}`
const COMMENT = 'mutation($id:String!,$body:String!){commentCreate(input:{issueId:$id,body:$body}){success}}'
const LABELS = 'query($name:String!){issueLabels(filter:{name:{eq:$name}}){nodes{id name team{id}}}}'
const MAKE_LABEL =
  'mutation($name:String!,$team:String!){issueLabelCreate(input:{name:$name,teamId:$team}){issueLabel{id}}}'
const ADD = 'mutation($id:String!,$label:String!){issueAddLabel(id:$id,labelId:$label){success}}'
const REMOVE = 'mutation($id:String!,$label:String!){issueRemoveLabel(id:$id,labelId:$label){success}}'

export interface LinearApi {
  /** Open ones of a team with the label, the newest first. */
  list(team: string, label: string): Promise<Listed[]>
  history(id: string): Promise<{ creator: Person; entries: HistoryEntry[] }>
  /** Null: there is none any more. */
  issue(id: string): Promise<Issue | null>
  /** What leads to the issue, as `blocks`; none where it may not be asked. */
  relations(id: string): Promise<Relation[]>
  comment(id: string, body: string): Promise<void>
  /** The label is made where there is none. */
  addLabel(issue: Issue, name: string): Promise<void>
  removeLabel(issue: Issue, label: string): Promise<void>
}

/** Each call throws FORGE_UNAVAILABLE, or FORBIDDEN for an issue that is gone. */
export function linearApi(asking: Asking): LinearApi {
  const { source, token } = asking
  const endpoint = source.endpoint === '' ? 'https://api.linear.app' : source.endpoint
  const authorization: Record<string, string> =
    token === null ? {} : { authorization: KEY.test(token) ? token : `Bearer ${token}` }
  const { send } = callsByHttp(asking, endpoint, authorization)

  async function ask<T>(query: string, variables: object, shape: z.ZodType<T>): Promise<T | null> {
    const { data, errors } = shaped(answerShape, await send('graphql', { query, variables }))
    const [error] = errors
    if (error === undefined) return shaped(shape, data)
    if (/not found/i.test(error.message)) return null
    throw unavailable(`Linear says: ${error.message.slice(0, 300)}`)
  }

  async function must<T>(query: string, variables: object, shape: z.ZodType<T>): Promise<T> {
    const found = await ask(query, variables, shape)
    if (found === null) throw new TdfError('FORBIDDEN', 'Linear has no such issue any more')
    return found
  }

  /** That of the team, or of the whole workspace. */
  async function labelId(name: string, team: string): Promise<string> {
    const { issueLabels } = await must(LABELS, { name }, labelsShape)
    const found = issueLabels.nodes.find(label => label.team === null || label.team.id === team)
    if (found) return found.id
    return (await must(MAKE_LABEL, { name, team }, madeShape)).issueLabelCreate.issueLabel.id
  }

  return {
    list: (team, label) => allPages(async after => (await must(LIST, { team, label, after }, listShape)).issues),
    async history(id) {
      let creator: Person = null
      const entries = await allPages(async after => {
        const { issue } = await must(HISTORY, { id, after }, historyShape)
        creator = issue.creator
        return issue.history
      })
      return { creator, entries }
    },
    issue: async id => (await ask(ISSUE, { id }, z.object({ issue: issueShape.nullable() })))?.issue ?? null,
    async relations(id) {
      try {
        return (await ask(BLOCKERS, { id }, relationsShape))?.issue?.inverseRelations.nodes ?? []
      } catch (thrown) {
        if (asTdfError(thrown).code === 'FORBIDDEN') return []
        throw thrown
      }
    },
    comment: async (id, body) => void (await must(COMMENT, { id, body }, z.object({}))),
    async addLabel({ id, team }, name) {
      await must(ADD, { id, label: await labelId(name, team.id) }, z.object({}))
    },
    removeLabel: async ({ id }, label) => void (await must(REMOVE, { id, label }, z.object({}))),
  }
}

interface Page<T> {
  nodes: T[]
  pageInfo: z.output<typeof pageInfo>
}

async function allPages<T>(read: (after: string | null) => Promise<Page<T>>): Promise<T[]> {
  const all: T[] = []
  let after: string | null = null
  for (let page = 0; page < PAGES_MAX; page++) {
    const found: Page<T> = await read(after)
    all.push(...found.nodes)
    after = found.pageInfo.endCursor
    if (!found.pageInfo.hasNextPage) break
  }
  return all
}

const answerShape = z.object({
  data: z.unknown(),
  errors: z.array(z.object({ message: z.string() })).default([]),
})
const person = z
  .object({ displayName: z.string(), guest: z.boolean().default(false), active: z.boolean().default(true) })
  .nullable()
  .default(null)
export type Person = z.output<typeof person>
const named = z.object({ name: z.string() })
const pageInfo = z.object({ hasNextPage: z.boolean(), endCursor: z.string().nullable().default(null) })
const listedShape = z.object({
  identifier: z.string(),
  title: z.string(),
  url: z.string(),
  updatedAt: z.string(),
  labels: z.object({ nodes: z.array(named) }),
})
export type Listed = z.output<typeof listedShape>
const listShape = z.object({ issues: z.object({ pageInfo, nodes: z.array(listedShape) }) })
const historyEntry = z.object({
  id: z.string(),
  createdAt: z.string(),
  actor: person,
  addedLabels: z.array(named).nullable().default(null),
  removedLabels: z.array(named).nullable().default(null),
})
export type HistoryEntry = z.output<typeof historyEntry>
const historyShape = z.object({
  issue: z.object({ creator: person, history: z.object({ pageInfo, nodes: z.array(historyEntry) }) }),
})
const issueShape = z.object({
  id: z.string(),
  description: z.string().nullable().default(null),
  state: z.object({ type: z.string() }),
  team: z.object({ id: z.string(), key: z.string() }),
  labels: z.object({ nodes: z.array(z.object({ id: z.string(), name: z.string() })) }),
  comments: z.object({
    nodes: z.array(
      z.object({
        body: z.string(),
        createdAt: z.string(),
        user: z.object({ displayName: z.string() }).nullable().default(null),
      }),
    ),
  }),
})
export type Issue = z.output<typeof issueShape>
const relation = z.object({
  type: z.string(),
  issue: z.object({ identifier: z.string(), state: z.object({ type: z.string() }) }),
})
type Relation = z.output<typeof relation>
const relationsShape = z.object({
  issue: z.object({ inverseRelations: z.object({ nodes: those(relation) }) }).nullable(),
})
const labelsShape = z.object({
  issueLabels: z.object({
    nodes: z.array(z.object({ id: z.string(), team: z.object({ id: z.string() }).nullable().default(null) })),
  }),
})
const madeShape = z.object({ issueLabelCreate: z.object({ issueLabel: z.object({ id: z.string() }) }) })
