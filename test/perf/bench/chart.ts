/** Growth with the number of waiting tasks, as an SVG of three small panels; both axes are logarithmic. */

export interface Point {
  tasks: number
  rssMiB: number
  /** Share of one core while nothing happens. */
  cpuPercent: number
  restartMs: number
  tickUs: number
}

const WIDTH = 260
const HEIGHT = 200
const PANELS: { title: string; of: (point: Point) => number }[] = [
  { title: 'memory, MiB', of: point => point.rssMiB },
  { title: 'start to first answer, ms', of: point => point.restartMs },
  { title: 'one round of the loop, µs', of: point => point.tickUs },
]

export function growthChart(points: readonly Point[]): string {
  const panels = PANELS.map(({ title, of }, index) => panel(title, points, of, index * WIDTH))
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH * PANELS.length} ${HEIGHT}" font-family="sans-serif" font-size="10">`,
    '<title>Memory, start and a round of the loop by the number of waiting tasks</title>',
    `<rect width="100%" height="100%" fill="#fff"/>`,
    ...panels,
    '</svg>\n',
  ].join('\n')
}

function panel(title: string, points: readonly Point[], of: (point: Point) => number, left: number): string {
  const values = points.map(of).map(value => Math.max(value, 1e-3))
  const x = scale(
    points.map(({ tasks }) => tasks),
    left + 40,
    left + WIDTH - 25,
  )
  const y = scale([...values.map(value => value / 2), ...values.map(value => value * 2)], HEIGHT - 40, 35)
  const dots = points.map(({ tasks }, index) => ({ tasks, value: values[index] ?? 0 }))
  return [
    `<text x="${left + WIDTH / 2}" y="18" text-anchor="middle" font-size="12">${title}</text>`,
    `<polyline fill="none" stroke="#2563eb" stroke-width="1.5" points="${dots.map(dot => `${x(dot.tasks)},${y(dot.value)}`).join(' ')}"/>`,
    ...dots.flatMap(({ tasks, value }) => [
      `<circle cx="${x(tasks)}" cy="${y(value)}" r="3" fill="#2563eb"/>`,
      `<text x="${x(tasks)}" y="${y(value) - 7}" text-anchor="middle">${value < 10 ? value.toFixed(1) : Math.round(value)}</text>`,
      `<text x="${x(tasks)}" y="${HEIGHT - 18}" text-anchor="middle" fill="#555">${tasks / 1000} k</text>`,
    ]),
    `<text x="${left + WIDTH / 2}" y="${HEIGHT - 4}" text-anchor="middle" fill="#555">waiting tasks</text>`,
  ].join('\n')
}

function scale(domain: readonly number[], from: number, to: number): (value: number) => number {
  const low = Math.log(Math.min(...domain))
  const high = Math.log(Math.max(...domain))
  return value => Math.round((from + ((Math.log(value) - low) / (high - low || 1)) * (to - from)) * 10) / 10
}
