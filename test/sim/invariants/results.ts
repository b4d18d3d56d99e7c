/** Results: an earlier one is never changed by what comes later, and what was asked once is done once. */
import { resultRefOf } from '../../../src/core/task.ts'
import type { Check } from '../seen.ts'

export const resultInvariants: Record<string, Check> = {
  // While its work is not all at home it may be a checkpoint, which better work replaces.
  'no result is overwritten': ({ sim, attempts }) =>
    attempts.flatMap(({ id, attempt, result, step, cleanup }) => {
      if (step !== null || cleanup !== 'done' || result === null) return []
      const key = `${id}/${attempt}`
      const before = sim.results.get(key) ?? result.commit
      sim.results.set(key, before)
      const atHome = sim.out.results.refs.get(resultRefOf(id, attempt))
      return result.commit === before && atHome === before
        ? []
        : [`${key} was ${before}, is ${result.commit} (${atHome})`]
    }),

  'a continue with one key opens one attempt': ({ sim, attempts }) => {
    const known = new Set(attempts.map(({ id, attempt }) => `${id}/${attempt}`))
    return [...sim.continued].flatMap(([name, opened]) => {
      const lost = [...opened].filter(key => !known.has(key))
      return opened.size === 1 && lost.length === 0 ? [] : [`${name} opened ${[...opened]}, of which is lost: ${lost}`]
    })
  },

  'an attempt that goes on begins from what an earlier one saved': ({ sim, attempts }) =>
    attempts.flatMap(({ id, attempt, continued }) => {
      if (continued === null) return []
      const { of, from } = continued
      const { refs } = sim.out.results
      const { ref, commit } = from
      // Or from what people have put on top of one, on the branch of its pull request.
      const earlier = Array.from({ length: of }, (_, at) => refs.get(resultRefOf(id, at + 1)) ?? '')
      const isOnTop = earlier.some(one => sim.out.afterRun?.history.reaches(commit, one))
      const isSaved = ref === resultRefOf(id, of) ? refs.get(ref) === commit : ref.endsWith('-start') && isOnTop
      return of < attempt && isSaved ? [] : [`${id}/${attempt} begins from ${of}`]
    }),
}
