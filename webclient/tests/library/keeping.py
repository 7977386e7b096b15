"""What a browser keeps for the library."""

# What the browser keeps of the server, with some of it changed.
KEEP = """
([url, change]) => new Promise((resolve, reject) => {
  const opening = indexedDB.open("securecall");
  opening.onerror = reject;
  opening.onsuccess = () => {
    const pins = opening.result.transaction("pins", "readwrite").objectStore("pins");
    const place = new URL(url).host;
    pins.get(place).onsuccess = ({ target: { result } }) => {
      const kept = { ...result, ...change, log: { ...result.log, ...change.log } };
      pins.put(kept, place).onsuccess = () => { opening.result.close(); resolve(kept); };
    };
  };
})
"""
