/** What the model sells. Prices are made up in the right order of size. */

const LOCATIONS = [
  { id: 1, name: 'fsn1', country: 'DE', city: 'Falkenstein', network_zone: 'eu-central' },
  { id: 2, name: 'nbg1', country: 'DE', city: 'Nuremberg', network_zone: 'eu-central' },
  { id: 3, name: 'hel1', country: 'FI', city: 'Helsinki', network_zone: 'eu-central' },
]
export const locations = LOCATIONS.map(place => ({ ...place, description: place.city, latitude: 50, longitude: 12 }))

const type = (id: number, name: string, cores: number, memory: number, hourly: string) => ({
  ...{ id, name, description: name.toUpperCase(), cores, memory, disk: memory * 10 },
  ...{ storage_type: 'local', cpu_type: 'shared', category: 'cost_optimized', architecture: 'x86', deprecated: false },
  deprecation: null,
  included_traffic: 21_990_232_555_520,
  prices: LOCATIONS.map(({ name: location }) => ({
    location,
    price_hourly: { net: hourly, gross: hourly },
    price_monthly: { net: '1', gross: '1' },
  })),
  locations: LOCATIONS.map(({ id: placeId, name: place }) => ({
    ...{ id: placeId, name: place, deprecation: null, available: true, recommended: true },
  })),
})
export const serverTypes = [
  type(1, 'cx23', 2, 4, '0.0060'),
  type(2, 'cx33', 4, 8, '0.0100'),
  type(3, 'cx43', 8, 16, '0.0190'),
]

export const images = [
  {
    ...{ id: 100, name: 'debian-13', type: 'system', status: 'available', description: 'Debian 13', image_size: null },
    ...{ disk_size: 5, created: '2025-08-10T00:00:00+00:00', created_from: null, bound_to: null, os_flavor: 'debian' },
    ...{ os_version: '13', rapid_deploy: true, protection: { delete: false }, deprecated: null, deleted: null },
    ...{ labels: {}, architecture: 'x86' },
  },
]
