/**
 * Counters, gauges and histograms in the text form of Prometheus. Labels come from our own small sets, never from
 * ids.
 */

export type Labels = Readonly<Record<string, string>>

export interface Counter {
  add(labels: Labels, count?: number): void
}

export interface Histogram {
  observe(labels: Labels, value: number): void
}

export interface Metrics {
  counter(name: string, help: string): Counter
  /** Seconds in buckets from 10 ms to a day. */
  histogram(name: string, help: string): Histogram
  /** Read at each scrape. */
  gauge(name: string, help: string, read: () => readonly (readonly [Labels, number])[]): void
  /** Everything, as `text/plain; version=0.0.4`. */
  text(): string
}

const BUCKETS = [0.01, 0.05, 0.25, 1, 5, 30, 120, 600, 3_600, 21_600, 86_400]
/** Beyond so many combinations of labels the rest is left out: a metric never grows without bound. */
const SERIES_MAX = 500

export function createMetrics(): Metrics {
  const families = new Map<string, () => string[]>()

  function family(name: string, type: string, help: string, lines: () => string[]): void {
    families.set(name, () => [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines()])
  }

  return {
    counter(name, help) {
      const series = new Map<string, number>()
      family(name, 'counter', help, () => [...series].map(([labels, value]) => `${name}${labels} ${value}`))
      return {
        add(labels, count = 1) {
          const key = labelText(labels)
          if (series.has(key) || series.size < SERIES_MAX) series.set(key, (series.get(key) ?? 0) + count)
        },
      }
    },
    histogram(name, help) {
      const series = new Map<string, { labels: Labels; counts: number[]; sum: number }>()
      family(name, 'histogram', help, () => [...series.values()].flatMap(one => histogramLines(name, one)))
      return {
        observe(labels, value) {
          const key = labelText(labels)
          const known = series.get(key)
          if (!known && series.size >= SERIES_MAX) return
          const one = known ?? { labels, counts: BUCKETS.map(() => 0).concat(0), sum: 0 }
          if (!known) series.set(key, one)
          const bucket = BUCKETS.findIndex(limit => value <= limit)
          const index = bucket < 0 ? BUCKETS.length : bucket
          one.counts[index] = (one.counts[index] ?? 0) + 1
          one.sum += value
        },
      }
    },
    gauge(name, help, read) {
      family(name, 'gauge', help, () => read().map(([labels, value]) => `${name}${labelText(labels)} ${value}`))
    },
    text: () => `${[...families.values()].flatMap(lines => lines()).join('\n')}\n`,
  }
}

function histogramLines(name: string, one: { labels: Labels; counts: readonly number[]; sum: number }): string[] {
  let total = 0
  const buckets = one.counts.map((count, index) => {
    total += count
    return `${name}_bucket${labelText({ ...one.labels, le: String(BUCKETS[index] ?? '+Inf') })} ${total}`
  })
  const labels = labelText(one.labels)
  return [...buckets, `${name}_sum${labels} ${one.sum}`, `${name}_count${labels} ${total}`]
}

function labelText(labels: Labels): string {
  let pairs = ''
  // A dozen times for each task: the pairs of Object.entries would be most of what it costs.
  for (const name in labels) {
    const value = labels[name] ?? ''
    const text = /["\\\n]/.test(value) ? value.replace(/["\\\n]/g, escapeLabel) : value
    pairs += `${pairs === '' ? '' : ','}${name}="${text}"`
  }
  return pairs === '' ? '' : `{${pairs}}`
}

const escapeLabel = (character: string) => (character === '\n' ? '\\n' : `\\${character}`)
