// PCM16 as base64, which is how audio travels in JSON.

export function toBase64(pcm) {
  const bytes = new Uint8Array(pcm.buffer, pcm.byteOffset, pcm.byteLength);
  return btoa(String.fromCharCode(...bytes));
}

export function fromBase64(text) {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length & ~1);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  return new Int16Array(bytes.buffer);
}
