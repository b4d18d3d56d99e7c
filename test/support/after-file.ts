/**
 * What has to be undone at the end of the test file that did it. A module of support lives as long as its process, which
 * runs many files: a hook of its own would be that of the first file alone.
 */
const undos: (() => void)[] = []

export function afterFile(undo: () => void): void {
  undos.push(undo)
}

/** The newest first; all of them, though one fails. */
export function undoFile(): void {
  const failures = undos.splice(0).reverse().flatMap(failureOf)
  if (failures.length > 0) throw new AggregateError(failures, 'the end of a test file left something behind')
}

function failureOf(undo: () => void): unknown[] {
  try {
    undo()
    return []
  } catch (error) {
    return [error]
  }
}
