/** Issues of Linear. A team is its project; who set a label stands in the history of an issue. */
import { TdfError } from '../../../../src/core/errors.ts'
import { shaped } from '../../../results/push/watch/view.ts'
import { type HistoryEntry, type Issue, type Listed, linearApi, type Person } from './linear-api.ts'
import { type Asking, type ListedIssue, labelled, listedIssue, type Tracker } from './tracker.ts'

/** What is over has one of these types of state. */
const OVER = ['completed', 'canceled']

export function linearTracker(asking: Asking): Tracker {
  const { source } = asking
  const api = linearApi(asking)

  async function theIssue(id: string): Promise<Issue> {
    const issue = await api.issue(id)
    if (issue === null) throw new TdfError('FORBIDDEN', `Linear has no issue ${id} any more`)
    return issue
  }

  return {
    repository: null,
    async list() {
      const found = await api.list(source.project, source.label)
      return { issues: found.map(listedOf).reverse(), cache: {} }
    },
    async labelling({ id }) {
      const { creator, entries } = await api.history(id)
      const last = entries
        .filter(({ addedLabels, removedLabels }) =>
          labelled(source, [...namesOf(addedLabels), ...namesOf(removedLabels)]),
        )
        .sort((one, other) => one.createdAt.localeCompare(other.createdAt))
        .at(-1)
      // It was opened with its label.
      if (last === undefined) return labellingBy('created', creator)
      return labelled(source, namesOf(last.addedLabels)) ? labellingBy(last.id, last.actor) : null
    },
    async content({ id }) {
      const { description, comments } = await theIssue(id)
      const said = comments.nodes.toSorted((one, other) => one.createdAt.localeCompare(other.createdAt))
      return {
        body: description ?? '',
        comments: said.map(({ user, body }) => ({ author: user?.displayName ?? '', text: body })),
      }
    },
    async blockers({ id }) {
      const leading = await api.relations(id)
      const open = leading.filter(({ type, issue }) => type === 'blocks' && !OVER.includes(issue.state.type))
      return open.map(({ issue }) => issue.identifier)
    },
    async stands(id) {
      const issue = await api.issue(id)
      if (issue?.team.key.toLowerCase() !== source.project.toLowerCase()) return false
      return !OVER.includes(issue.state.type) && labelled(source, namesOf(issue.labels.nodes))
    },
    async comment(id, text, mark) {
      const issue = await theIssue(id)
      if (!issue.comments.nodes.some(({ body }) => body.includes(mark))) await api.comment(issue.id, text)
    },
    async label(id, add, remove) {
      const issue = await theIssue(id)
      const has = new Map(issue.labels.nodes.map(label => [label.name, label.id]))
      for (const name of add.filter(name => !has.has(name))) await api.addLabel(issue, name)
      for (const label of remove.flatMap(name => has.get(name) ?? [])) await api.removeLabel(issue, label)
    },
  }
}

const namesOf = (labels: HistoryEntry['addedLabels']) => (labels ?? []).map(({ name }) => name)

const labellingBy = (event: string, who: Person) => ({
  event,
  by: who?.displayName ?? null,
  isMember: who?.active === true && !who.guest,
})

function listedOf({ identifier: id, title, url, labels, updatedAt: stamp }: Listed): ListedIssue {
  return shaped(listedIssue, { id, title, url, labels: namesOf(labels.nodes), stamp })
}
