// What a test sees, hears and says inside the page, put there before the page's own scripts.
//
//   instruments.states    [[ms, state], …]: every state that the page showed
//   instruments.loudest   what the level meter showed at most
//   instruments.heard     Float32Arrays of 24 kHz: what went to the loudspeaker
//   instruments.sounds    [[ms, root mean square], …] of the same, each piece when it was played
//   instruments.controls  what the server told the player: "duck", "stop", "resume"
//   instruments.say(wav)  into the microphone, where the test has taken its place (`ownMicrophone`)

(() => {
  const instruments = { states: [], loudest: 0, heard: [], sounds: [], controls: [], sockets: [] };
  window.instruments = instruments;

  new MutationObserver(() => {
    const state = document.body?.dataset.state;
    if (state && instruments.states.at(-1)?.[1] !== state) instruments.states.push([performance.now(), state]);
    const level = Number(document.querySelector("#level")?.getAttribute("aria-valuenow") ?? 0);
    instruments.loudest = Math.max(instruments.loudest, level);
  }).observe(document, {
    attributes: true,
    attributeFilter: ["data-state", "aria-valuenow"],
    childList: true,
    subtree: true,
  });

  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function (target, ...rest) {
    if (target instanceof AudioDestinationNode) {
      const tap = this.context.createScriptProcessor(1024, 1, 1);
      tap.onaudioprocess = ({ inputBuffer }) => {
        const piece = inputBuffer.getChannelData(0).slice();
        instruments.heard.push(piece);
        const energy = piece.reduce((sum, sample) => sum + sample * sample, 0);
        instruments.sounds.push([performance.now(), Math.sqrt(energy / piece.length)]);
      };
      connect.call(this, tap);
      connect.call(tap, target);
    }
    return connect.call(this, target, ...rest);
  };

  const Socket = window.WebSocket;
  window.WebSocket = class extends Socket {
    constructor(...given) {
      super(...given);
      instruments.sockets.push(this);
      this.addEventListener("message", ({ data }) => {
        const event = JSON.parse(data);
        if (event.type === "ledge.playback") instruments.controls.push(event.action);
      });
    }
  };

  if (window.ownMicrophone) {
    let context, microphone;
    navigator.mediaDevices.getUserMedia = async () => {
      context = new AudioContext({ sampleRate: 48000 });
      microphone = context.createMediaStreamDestination();
      return microphone.stream;
    };
    // Returns when it begins and when it ends: performance.now().
    instruments.say = async (wavBase64) => {
      const bytes = Uint8Array.from(atob(wavBase64), (character) => character.charCodeAt(0));
      const source = context.createBufferSource();
      source.buffer = await context.decodeAudioData(bytes.buffer);
      connect.call(source, microphone);
      source.start();
      const beginMs = performance.now();
      await new Promise((resolve) => (source.onended = resolve));
      return [beginMs, performance.now()];
    };
  }

  // Loudness of what was played, 20 ms at a time, and the whole of it as PCM16 in base64.
  instruments.loudness = () => {
    const all = instruments.heard.flatMap((piece) => [...piece]);
    const levels = [];
    for (let i = 0; i + 480 <= all.length; i += 480) {
      let sum = 0;
      for (let j = i; j < i + 480; j++) sum += all[j] * all[j];
      levels.push(Math.sqrt(sum / 480));
    }
    return levels;
  };
  instruments.recording = () => {
    const pcm = Int16Array.from(instruments.heard.flatMap((piece) => [...piece]), (sample) => 32767 * sample);
    let text = "";
    for (const byte of new Uint8Array(pcm.buffer)) text += String.fromCharCode(byte);
    return btoa(text);
  };
})();
