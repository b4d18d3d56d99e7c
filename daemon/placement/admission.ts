/** Whether work may begin at all. What stands against it is named, so that `why` can say it. */

export type Cause = 'drain' | 'disk' | 'restore'

export interface Admission {
  /** A sentence about why nothing is begun; null when nothing stands against it. */
  obstacle(): string | null
  /** What this cause says; null when it does not stand against anything. */
  reasonOf(cause: Cause): string | null
  /** True when this changed whether work may begin. */
  set(cause: Cause, sentence: string | null): boolean
}

export function createAdmission(): Admission {
  const obstacles = new Map<Cause, string>()
  return {
    obstacle: () => obstacles.values().next().value ?? null,
    reasonOf: cause => obstacles.get(cause) ?? null,
    set(cause, sentence) {
      const before = obstacles.size === 0
      if (sentence === null) obstacles.delete(cause)
      else obstacles.set(cause, sentence)
      return before !== (obstacles.size === 0)
    },
  }
}

/** After a restored database no machine goes before each was asked what is on it: what is known of them is old. */
export const keepsMachines = ({ admission }: { admission: Admission }): boolean =>
  admission.reasonOf('restore') !== null
