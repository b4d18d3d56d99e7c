/** The reviews of a pull request, and the threads of them that are open. What people say who may not write is marked. */
import { z } from 'zod'
import { type Address, callForge, type Look, type Reader } from './gh.ts'
import { parsedJson, shaped, type ThreadInput, unavailable } from './view.ts'

const TEXT_CHARACTERS_MAX = 16 * 1024
const PAGE = 100

const commentsShape = z.array(z.object({ id: z.number() }))

const reviewsShape = z.array(
  z.object({
    id: z.number(),
    state: z.string(),
    body: z.string().nullable().default(null),
    user: z.object({ login: z.string() }).nullable().default(null),
  }),
)

/**
 * Whether a thread is closed is told by GraphQL alone, which has no 304: it is asked only where there is a comment, and where
 * none was open, only once anything else has changed.
 */
export async function threadsOf(reader: Reader, look: Look, address: Address): Promise<ThreadInput[]> {
  const at = `repos/${address.repository}`
  const count = await reader.read(
    `${at}/pulls/${address.number}/comments?per_page=1&sort=updated&direction=desc`,
    json => shaped(commentsShape, json).map(({ id }) => id),
  )
  const reviews = await reader.read(`${at}/pulls/${address.number}/reviews?per_page=${PAGE}`, json =>
    shaped(reviewsShape, json).map(({ id, state, body, user }) => ({
      ...{ id, state, author: user?.login ?? '' },
      text: (body ?? '').slice(0, TEXT_CHARACTERS_MAX),
    })),
  )
  const ask = () => openThreads(look, address)
  const open = count.length === 0 ? [] : await reader.unless('threads', ask, found => found.length === 0)
  const threads = [...open, ...refusalsOf(reviews)]
  const authors = new Set(threads.flatMap(({ comments }) => comments.map(({ author }) => author)))
  const writers = new Set<string>()
  for (const author of authors) if (await mayWrite(reader, look.config, at, author)) writers.add(author)
  return threads.map(thread => ({
    ...thread,
    comments: thread.comments.map(comment => ({ ...comment, mayWrite: writers.has(comment.author) })),
  }))
}

interface Review {
  id: number
  state: string
  author: string
  text: string
}

/** What a reviewer wants changed as a whole, unless they have said otherwise since. */
function refusalsOf(reviews: readonly Review[]): ThreadInput[] {
  const last = new Map<string, Review>()
  for (const review of reviews) {
    if (['CHANGES_REQUESTED', 'APPROVED', 'DISMISSED'].includes(review.state)) last.set(review.author, review)
  }
  return [...last.values()]
    .filter(({ state, text }) => state === 'CHANGES_REQUESTED' && text.trim() !== '')
    .map(({ id, author, text }) => ({
      id: `review-${id}`,
      comments: [{ id: String(id), author, text, mayWrite: false }],
    }))
}

const LOGIN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}(\[bot\])?$/
const WRITES = ['admin', 'maintain', 'write']

/** Whether the forge says that a login may write to the repository at `at`. */
export async function mayWrite(reader: Reader, config: Look['config'], at: string, author: string): Promise<boolean> {
  if (!LOGIN.test(author) || config.ignoreAuthors.includes(author)) return false
  if (config.allowAuthors.includes(author)) return true
  // A bot is no collaborator, and is asked about in vain.
  if (author.endsWith('[bot]')) return false
  const permission = await reader.may(`${at}/collaborators/${encodeURIComponent(author)}/permission`, json =>
    shaped(z.object({ permission: z.string() }), json),
  )
  return permission !== null && WRITES.includes(permission.permission)
}

const QUERY = `query($owner:String!,$name:String!,$number:Int!){repository(owner:$owner,name:$name){pullRequest(number:$number){reviewThreads(first:100){nodes{id isResolved isOutdated path line comments(last:20){nodes{databaseId body author{login}}}}}}}}`

const threadsShape = z.object({
  data: z.object({
    repository: z.object({
      pullRequest: z.object({
        reviewThreads: z.object({
          nodes: z.array(
            z.object({
              id: z.string(),
              isResolved: z.boolean(),
              isOutdated: z.boolean(),
              path: z.string().nullable(),
              line: z.number().nullable(),
              comments: z.object({
                nodes: z.array(
                  z.object({
                    databaseId: z.number(),
                    body: z.string(),
                    author: z.object({ login: z.string() }).nullable(),
                  }),
                ),
              }),
            }),
          ),
        }),
      }),
    }),
  }),
})

async function openThreads(
  { place, allowance, now, signal }: Look,
  { host, repository, number }: Address,
): Promise<ThreadInput[]> {
  const [owner, name] = repository.split('/')
  const input = JSON.stringify({ query: QUERY, variables: { owner, name, number } })
  const answer = await callForge({ host, path: 'graphql', token: place.token, input, signal }, allowance, now)
  if (answer.kind === 'no') throw unavailable(answer.why)
  if (answer.kind === 'same') return []
  const { data } = shaped(threadsShape, parsedJson(answer.body, host))
  const open = data.repository.pullRequest.reviewThreads.nodes.filter(({ isResolved }) => !isResolved)
  return open.map(({ id, path, line, isOutdated, comments }) => ({
    ...{ id, path, line, outdated: isOutdated },
    comments: comments.nodes.map(({ databaseId, body, author }) => ({
      ...{ id: String(databaseId), author: author?.login ?? '', mayWrite: false },
      text: body.slice(0, TEXT_CHARACTERS_MAX),
    })),
  }))
}
